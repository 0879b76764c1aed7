"""Every task is classification."""

from sklearn.base import ClassifierMixin
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from ._base import BaseMultiTaskRNN


class MultiTaskRNNClassifier(ClassifierMixin, BaseMultiTaskRNN):
    """Multi-task recurrent classifier: one shared trunk, one softmax per task.

    With trunk h_θ, head g_k, cross-entropy ℓ_k and weight w_k of task k, and M_k the entries of
    task k that carry a label, `fit` minimises over θ and the heads

      L = Σ_k w_k · ( Σ_{(i,t) ∈ M_k} s_ik ℓ_k(g_k(h_θ(x_i)_t), y_ikt) / Σ_{(i,t) ∈ M_k} s_ik )

    with s_ik the sample weight of sequence x_i (times its class weight). A missing label neither
    adds to a task's loss nor dilutes it. Labels are one a sequence (read off the pooled states) or
    one a time step. Hard parameter sharing is Caruana's (1997).

    Parameters
    ----------
    tasks : None, str, ClassificationTask or dict, default=None
        Options of the tasks: one `ClassificationTask` (or "classification") for all of them, or a
        dict from task name (column index where y has no names) to those. None: the defaults for
        all.
    missing : {"error", "mean", "forward", "mask", "decay"}, default="error"
        What stands for NaN in X. "mean": the channel's mean in training. "forward": the last
        observed value of the sequence, before the first one the mean. "mask": as "forward", and the
        network sees for each channel that had holes in training whether it is observed, and the
        time since it was (Lipton et al. 2016). "decay": inputs decay from the last value to the
        mean, and the state of the first layer to zero, at rates that are learned (Che et al. 2018);
        not with a ``cell`` of your own.
        `sk_mtrnn.missing` has the equations, and what becomes of channels that are never observed.
    time_feature : int or str, default=None
        The channel that holds the time stamp of every step, never falling within a sequence: what
        "mask" and "decay" measure time by. It is no input of the network; to have it as one, give X
        that channel twice. None: a step is one unit of time.
    categorical_features : array-like of int, str or bool, "from_dtype", or None, default=None
        Channels of X that hold categories: indices, names, or a mask. Their values are integers
        from 0 on, or in DataFrames (a panel, or a list of one a sample) also symbols, which are no
        numbers. "from_dtype": the columns of a categorical dtype. None: none but those that X marks
        itself, as what `sk_mtrnn.preprocessing.TokenEncoder` gives does, and categorical columns of
        numbers. Channels that are named replace those marks: the others are then numbers.
    embedding_dim : "auto", int or dict, default="auto"
        Width of the embedding of a categorical channel. "auto": the least of 64, n / 2 and
        6 n^(1/4), with n the number of categories in training. In a dict from channel to width, an
        array of shape (n_codes, width) is where the embeddings start, row i that of code i, or of
        the i-th symbol; its rows are known categories even where training lacks them.
    unknown_rate : float in [0, 1) or "frequency", default=0.0
        Share of the categories that training reads as unknown, so that the network learns what to
        make of categories that training lacks. "frequency": 1 / (1 + n) of a category that stands n
        times in the training data.
    cell : {"gru", "rnn", "lstm"} or callable, default="gru"
        The recurrence: Elman's (1990), the GRU (Cho et al. 2014) or the LSTM (Hochreiter &
        Schmidhuber 1997), in the equations of `torch.nn`. A callable ``(input_size, hidden_size) ->
        module`` builds another one with the semantics of `torch.nn.GRU` (time on axis 0, or a
        `PackedSequence`), in one direction; directions are paired here.
    hidden_layer_sizes : array-like of int, default=(64,)
        Units of each recurrent layer, as in scikit-learn's MLP; widths may differ.
    activation : {"tanh", "relu"}, default="tanh"
        Nonlinearity of the cell "rnn".
    recurrence : {"auto", "packed", "torch"}, default="auto"
        What computes the recurrence: our kernels over packed sequences, `torch.nn`, or whichever is
        faster for a batch by a measured rule (see `sk_mtrnn.recurrence`). They agree but for
        rounding. A callable ``cell`` computes itself.
    bidirectional : bool, default=False
        Whether every layer also reads the sequence backwards; its width doubles.
    dropout : float in [0, 1), default=0.0
        Share of units dropped between layers and before the heads while training.
    input_dropout : float in [0, 1), default=0.0
        Dropout of what the recurrence reads, embeddings included.
    pooling : {"last", "mean", "max", "attention"}, default="last"
        How the steps become one vector for a per-sequence task: the final state of each direction,
        mean, maximum, or an average weighed by one learned query per task (see
        `attention_weights`).
    sharing : {"hard", "shared_private", "cross_stitch", "mmoe", "none"} or Sharing, default="hard"
        How tasks share the recurrence; a name, or an object of `sk_mtrnn.sharing` with options.
        "none" gives every task a recurrence of its own.
    task_relation : {"gcn", "attention", "chain"}, TaskRelation or None, default=None
        How tasks inform one another between recurrence and outputs; a name, or an object of
        `sk_mtrnn.relations` with options.
    input_skip : bool, default=False
        Whether heads also see the inputs, o_t = W_ho h_t + W_xo x_t + b_o; pooled as the states are
        for per-sequence tasks. ``dropout`` drops of both.
    time_delays : array-like of int or None, default=None
        Delays, such as ``(0, 1, 2)``, of a time-delay layer in front of the recurrence (Waibel et
        al. 1989), as wide as the first recurrent layer: its units see x_t-d for every delay d.
        Negative ones look ahead.
    task_weights : array-like of shape (n_tasks,), dict, str or TaskWeighting, default=None
        w_k, in task order or by task name (1 for a task a dict leaves out). None: all 1. A task of
        weight 0 is predicted but its labels train nothing. "uncertainty", "dwa", "gradnorm", "rlw",
        "famo", "geometric", "relatedness", or an object of `sk_mtrnn.weighting` with options:
        weights that are found in training; ``task_weights_`` records them.
    gradient_aggregation : str, torchjd Aggregator or None, default=None
        What stands for the sum of the tasks' gradients on the parameters they share: "upgrad",
        "pcgrad", "mgda", "cagrad", "nashmtl", "imtlg", "aligned_mtl" or an aggregator of TorchJD
        (extra ``sk_mtrnn[balance]``). Goes with fixed ``task_weights``, which multiply the losses.
    batching : {"mixed", "alternate"} or Batching, default="mixed"
        Whether every batch serves all tasks, or each batch one task, drawn at random; a name, or an
        object of `sk_mtrnn.sampling` with options.
    sampler : "balanced" or None, default=None
        Which samples the batches of an epoch hold. None: each of them once. "balanced": as many
        draws, with chances that make the classes of every task as even as they can be at once; see
        `sk_mtrnn.sampling`.
    augmentation : list of Augmentation or None, default=None
        Random changes to the sequences of training batches, one after another: objects of
        `sk_mtrnn.augmentation`. Labels per step follow their steps.
    class_weight : dict, "balanced" or None, default=None
        Weights of classes for every task with classes whose task object sets none; see
        `ClassificationTask`.
    optimizer : {"adam", "adamw", "rmsprop", "sgd"} or torch.optim.Optimizer class, default="adam"
        The MLP's ``solver``. "sgd" has Nesterov momentum of 0.9.
    learning_rate : float, default=0.01
        Step size; the MLP's ``learning_rate_init``.
    learning_rate_schedule : {"cosine", "plateau"} or None, default=None
        "cosine" falls to 0 over ``max_epochs``; "plateau" halves the rate when the loss (held out,
        with early stopping) has not fallen by ``tol`` for ``n_iter_no_change // 2`` epochs. The
        MLP's ``learning_rate``. `partial_fit` keeps a constant rate.
    weight_decay : float, default=0.0
        Passed to the optimizer; the MLP's ``alpha``.
    max_epochs : int, default=50
        Passes over the data; the MLP's ``max_iter``.
    batch_size : int, default=32
        Sequences per step. A batch holds sequences of near-equal length.
    max_grad_norm : float or None, default=1.0
        Norm above which gradients are scaled down to it (Pascanu et al. 2013). None: never.
    early_stopping : bool, default=False
        Whether to hold out a part of the samples, stop when its score no longer rises, and go back
        to the weights of the best epoch. The part holds its share of every task's labels (iterative
        stratification).
    validation_fraction : float in (0, 1), default=0.1
        Share of samples held out by early stopping.
    n_iter_no_change : int, default=10
        Epochs in a row without a gain of ``tol`` after which early stopping stops.
    tol : float, default=1e-4
        Least gain of the held-out score that counts.
    scoring : str, callable or None, default=None
        What early stopping watches: minus the weighted loss (None; unweighted where weights are
        found in training), or a scorer of `sk_mtrnn.metrics`. A str is `multitask_scorer` of it.
    standardize : bool, default=True
        Whether input features are scaled to zero mean and unit variance, over all steps of the
        training samples.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the network.
    device : str, default="auto"
        A torch device; "auto" is "cuda" if there is one, else "cpu".
    n_threads : int or "auto", default="auto"
        Threads of torch, at most one a core, while `fit` and the predictions run on the CPU;
        afterwards there are as many as before. "auto" is one for networks up to 128 units wide, for
        which more gain little; wider ones get all that torch is set to, but one within joblib's
        backends "threading" and "multiprocessing". A forked process always gets one, as more would
        hang. Results depend on this number in the last digits, training amplifies them.
    amp : bool, default=False
        Automatic mixed precision: float16 where it is safe (Micikevicius et al. 2018), with scaled
        gradients. CUDA only.
    callbacks : list or None, default=None
        skorch callbacks; copied before use. Their constructors follow scikit-learn's rules: an
        attribute that is no parameter ends in ``_``.
    net_params : dict or None, default=None
        Further arguments of `skorch.NeuralNet`, such as ``{"optimizer__betas": (0.9, 0.98)}``; what
        a parameter here decides is refused.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights, scales and classes of the last fit.
    random_state : int, RandomState or None, default=None
        Decides initial weights, order of samples, dropout and the held-out part. The global
        generators of numpy and torch are left as they are (None draws one seed from numpy's).
    verbose : int, default=0
        1: a progress bar with the losses of the tasks; 2: a line an epoch.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,), or list of ndarray
        The classes of the task, or of each of several.
    n_tasks_ : int
        Number of tasks.
    task_names_ : list
        Columns of y; their indices where y has no names.
    task_types_ : dict of task name to str
        "classification" or "regression".
    n_features_in_ : int
        Width of a time step; for a table the number of its columns.
    feature_names_in_ : ndarray of str
        Their names, where X has them.
    n_iter_ : int
        Epochs run.
    loss_curve_ : ndarray of shape (n_iter_, n_tasks_)
        Each epoch's mean training loss of every task, not weighted by w_k; NaN where no batch had
        a label of the task.
    task_weights_ : ndarray of shape (n_iter_, n_tasks_)
        What the loss of every task weighed in each epoch, the mean over its batches; NaN as above.
    task_relation_ : ndarray of shape (n_tasks, n_tasks) or None
        Between the tasks of `fit`, what ``task_relation`` used or learned: the normalised adjacency
        ("gcn"), the mean attention over the training data ("attention"; row k: where task k looks),
        or how strongly task k (row) reads the prediction of another ("chain").
    validation_scores_ : ndarray of shape (n_epochs,)
        The held-out score after every epoch run with ``early_stopping``, higher is better.
    best_epoch_ : int
        The epoch, counted from 1, whose weights the model holds.
    categories_ : dict of channel to ndarray of shape (n_categories,)
        The known categories of every categorical channel, by name, or index where X has no names.
    embeddings_ : dict of channel to ndarray of shape (n_categories + 1, dim)
        Their embeddings; the last row is that of unknown categories, NaN included. With
        ``sharing="none"`` each task has its own, on an axis in front.
    net_ : skorch.NeuralNet
        The network; ``net_.module_`` is the torch module.

    See Also
    --------
    MultiTaskRNNRegressor : Regression tasks only; a regressor to scikit-learn.
    MultiTaskRNN : Any mix of tasks.

    Notes
    -----
    The denominator of L in a mini-batch of B of n samples is its expectation, (B / n) Σ s_ik over
    all training labels of the task (in `partial_fit`: over the chunk), so that gradients are
    unbiased and a step in a long sequence counts like any other.

    `score` is the unweighted mean over the tasks of accuracy on the labelled entries.

    scikit-learn's own splitter for classifiers, which ``cv=5`` means, refuses missing labels, and
    several columns with arrays as cells, before any code here runs;
    `sk_mtrnn.model_selection.MultiTaskStratifiedKFold` takes both. Halving searches need an integer
    ``min_resources``, or ``resource="max_epochs"``, when y has several columns.

    References
    ----------
    Caruana (1997), "Multitask Learning", Machine Learning 28.
    Che et al. (2018), "Recurrent Neural Networks for Multivariate Time Series with Missing Values",
    Scientific Reports 8.
    Cho et al. (2014), "Learning Phrase Representations using RNN Encoder-Decoder for Statistical
    Machine Translation", EMNLP.
    Elman (1990), "Finding Structure in Time", Cognitive Science 14.
    Hochreiter & Schmidhuber (1997), "Long Short-Term Memory", Neural Computation 9.
    Lipton, Kale & Wetzel (2016), "Directly Modeling Missing Data in Sequences with RNNs", MLHC.
    Pascanu, Mikolov & Bengio (2013), "On the difficulty of training recurrent neural networks",
    ICML.

    Examples
    --------
    >>> import numpy as np
    >>> from sk_mtrnn import MultiTaskRNNClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(rng.integers(5, 12), 2)) for _ in range(200)]
    >>> y = np.array([[x[0, 0] > 0, x[:, 1].sum() > 0] for x in X]).astype(float)
    >>> y[:150, 1] = np.nan  # the second task is labelled for 50 sequences only
    >>> clf = MultiTaskRNNClassifier(max_epochs=30, random_state=0).fit(X, y)
    >>> clf.predict(X[:2]).shape
    (2, 2)
    >>> [proba.shape for proba in clf.predict_proba(X)]
    [(200, 2), (200, 2)]
    >>> clf.score(X, y) > 0.9
    True
    """

    _parameter_constraints = {
        **BaseMultiTaskRNN._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }
    _task_types = ("classification",)
    _default_type = "classification"

    def __init__(
        self,
        *,
        tasks=None,
        missing="error",
        time_feature=None,
        categorical_features=None,
        embedding_dim="auto",
        unknown_rate=0.0,
        cell="gru",
        hidden_layer_sizes=(64,),
        activation="tanh",
        recurrence="auto",
        bidirectional=False,
        dropout=0.0,
        input_dropout=0.0,
        pooling="last",
        sharing="hard",
        task_relation=None,
        input_skip=False,
        time_delays=None,
        task_weights=None,
        gradient_aggregation=None,
        batching="mixed",
        sampler=None,
        augmentation=None,
        class_weight=None,
        optimizer="adam",
        learning_rate=0.01,
        learning_rate_schedule=None,
        weight_decay=0.0,
        max_epochs=50,
        batch_size=32,
        max_grad_norm=1.0,
        early_stopping=False,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=1e-4,
        scoring=None,
        standardize=True,
        dtype="float32",
        device="auto",
        n_threads="auto",
        amp=False,
        callbacks=None,
        net_params=None,
        warm_start=False,
        random_state=None,
        verbose=0,
    ):
        self.tasks = tasks
        self.missing = missing
        self.time_feature = time_feature
        self.categorical_features = categorical_features
        self.embedding_dim = embedding_dim
        self.unknown_rate = unknown_rate
        self.cell = cell
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.recurrence = recurrence
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.pooling = pooling
        self.sharing = sharing
        self.task_relation = task_relation
        self.input_skip = input_skip
        self.time_delays = time_delays
        self.task_weights = task_weights
        self.gradient_aggregation = gradient_aggregation
        self.batching = batching
        self.sampler = sampler
        self.augmentation = augmentation
        self.class_weight = class_weight
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.max_grad_norm = max_grad_norm
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.scoring = scoring
        self.standardize = standardize
        self.dtype = dtype
        self.device = device
        self.n_threads = n_threads
        self.amp = amp
        self.callbacks = callbacks
        self.net_params = net_params
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train one epoch on a chunk of data.

        Inputs are scaled as in the first chunk, a target as in the first chunk that holds labels of
        its task. A chunk may lack the labels of whole tasks (and a DataFrame their columns).

        Between chunks ``learning_rate``, ``weight_decay``, ``batch_size``, ``dropout``,
        ``input_dropout``, ``sampler``, ``augmentation``,
        ``max_grad_norm``, ``batching``, ``gradient_aggregation``, fixed ``task_weights`` and
        ``class_weight`` may change; what decides the network or the tasks may not. How related
        tasks are is measured on the first chunk.

        Parameters
        ----------
        X, y
            As in `fit`.
        classes : list in task order, or dict by task name, default=None
            All classes there will be; needed on the first call, as labels may come later. For a
            single task its classes alone.
        sample_weight : array-like of shape (n_samples,) or (n_samples, n_tasks), default=None
            Weights of the samples.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            As `fit`; also if ``early_stopping`` is on, the chunk holds no label at all, ``classes``
            is missing on the first call, or differs from it later.
        """
        return self._partial_fit(X, y, classes, sample_weight)

    score = BaseMultiTaskRNN.score  # over all tasks, where the mixin knows one

    def predict_proba(self, X):
        """Class probabilities of every task.

        Parameters
        ----------
        X : array-like
            Sequences, as in `fit`.

        Returns
        -------
        ndarray of shape (n_samples, n_classes), or list of those, one a task
            Columns as in ``classes_``. For a per-step task (n_samples, n_timesteps, n_classes) if y
            was a 3-D array, else a list of (T_i, n_classes) arrays.

        Raises
        ------
        ValueError
            If X is not as in `fit`.
        """
        return self._one_or_list(self._probabilities(X))

    @property
    def classes_(self):
        check_is_fitted(self, "net_")
        return self._one_or_list(self._task_set.classes)

    def _one_or_list(self, by_name):
        values = list(by_name.values())
        return values[0] if len(values) == 1 else values
