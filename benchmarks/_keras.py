"""The Keras side of peers.py, as the tutorials write it, in a process that never sees torch.

A functional model, one softmax `Dense` a task, compiled with Adam and sparse cross-entropy, all
other settings Keras's own. TensorFlow is held to one thread, within operations and between them.
"""

import os
import pickle
import subprocess
import sys
import time
import traceback


class KerasProcess:
    """A process that answers calls of the functions below."""

    def __init__(self):
        quiet = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **quiet},
        )

    def call(self, name, *args):
        """What a function returns, or the error it raises."""
        pickle.dump((name, args), self._process.stdin)
        self._process.stdin.flush()
        good, result = pickle.load(self._process.stdout)
        if not good:
            raise RuntimeError(result)
        return result

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.stdin.close()
        self._process.wait()


def start():
    """Set the threads; return the versions."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    keras.utils.set_random_seed(0)
    return f"Keras {keras.__version__} on TensorFlow {tf.__version__}"


def fit(cell, X, y, epochs, batch_size, hidden, n_classes, learning_rate):
    """Seconds of fit, which first traces the model, and of its last epoch."""
    import keras

    begin = time.perf_counter()
    X = ((X - X.mean((0, 1))) / X.std((0, 1))).astype("float32")
    layer = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}[cell]
    inputs = keras.Input(X.shape[1:])
    states = layer(hidden)(inputs)
    outputs = [
        keras.layers.Dense(n_classes, activation="softmax", name=f"task_{k}")(states)
        for k in range(y.shape[1])
    ]
    model = keras.Model(inputs, outputs)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=["sparse_categorical_crossentropy"] * y.shape[1],
    )
    ends = [begin]
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: ends.append(time.perf_counter()))
    model.fit(X, list(y.T), epochs=epochs, batch_size=batch_size, verbose=0, callbacks=[watch])
    seconds = time.perf_counter() - begin
    fit.model = model
    return seconds, ends[-1] - ends[-2]


def predict(X, batch_size):
    """Seconds, and labels of all tasks, by the model fitted last."""
    import numpy as np

    begin = time.perf_counter()
    X = ((X - X.mean((0, 1))) / X.std((0, 1))).astype("float32")
    outputs = fit.model.predict(X, batch_size=batch_size, verbose=0)
    labels = np.stack([output.argmax(1) for output in outputs], axis=1)
    return time.perf_counter() - begin, labels


def answer_calls():
    """Read calls from standard input until it ends; what others print goes to standard error."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    while True:
        try:
            name, args = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = True, globals()[name](*args)
        except Exception:
            answer = False, traceback.format_exc()
        pickle.dump(answer, out)
        out.flush()


if __name__ == "__main__":
    answer_calls()
