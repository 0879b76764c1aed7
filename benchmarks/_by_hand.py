"""What one writes without this package: data, a network of `torch.nn`, its loop, its predictions.

The loop is the usual one with everything that makes it fast and is ordinary: data scaled and cast
once, batches cut by an index (no DataLoader), Adam in its fused form. In torch's own terms: a
baseline that nobody has to be ashamed of.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

N_CLASSES = 3
LEARNING_RATE = 0.01


def make_data(n_samples, n_timesteps, n_features, n_tasks, seed=0):
    """Sequences (n, T, F) in float64, and labels (n, K): thirds of a weighted mean over time."""
    rng = np.random.default_rng(seed)
    level = rng.normal(size=(n_samples, 1, n_features))
    X = rng.normal(size=(n_samples, n_timesteps, n_features)) + level
    weights = np.random.default_rng(1).normal(size=(n_features, n_tasks))
    scores = X.mean(axis=1) @ weights / np.linalg.norm(weights, axis=0)
    return X, np.digitize(scores, [-0.43, 0.43])


def cut_ragged(X, seed=0):
    """The same sequences, cut to lengths uniform in T/4..T: a list of arrays."""
    n_timesteps = X.shape[1]
    rng = np.random.default_rng(seed)
    lengths = rng.integers(n_timesteps // 4, n_timesteps + 1, size=len(X))
    return [x[:length] for x, length in zip(X, lengths, strict=True)]


class ByHand(nn.Module):
    """`torch.nn.GRU` or `torch.nn.LSTM`, the last state, one `torch.nn.Linear` a task.

    Legend: B sequences, T steps, F inputs, K tasks.
    """

    def __init__(self, cell, n_features, hidden_size, n_tasks):
        super().__init__()
        recurrence = {"gru": nn.GRU, "lstm": nn.LSTM}[cell]
        self.recurrence = recurrence(n_features, hidden_size, batch_first=True)
        self.heads = nn.ModuleList(nn.Linear(hidden_size, N_CLASSES) for _ in range(n_tasks))

    def forward(self, X, lengths=None):
        """Outputs of every task, K of (B, 3), for X (B, T, F), padded behind ``lengths`` (B,)."""
        states, _ = self.recurrence(X)  # [B, T, H]
        if lengths is None:
            last = states[:, -1]
        else:
            last = states[torch.arange(len(X), device=X.device), lengths - 1]
        return [head(last) for head in self.heads]


def scaled(X):
    """X in zero mean, unit variance and float32."""
    return torch.from_numpy((X - X.mean((0, 1))) / X.std((0, 1))).float()


def scaled_list(X):
    """The same for a list of arrays."""
    steps = np.concatenate(X)
    mean, scale = steps.mean(0), steps.std(0)
    return [torch.from_numpy((x - mean) / scale).float() for x in X]


def train(net, X, y, epochs, batch_size, max_grad_norm=None, device="cpu"):
    """Train on an array, or on a list whose batches are padded to their longest sequence.

    Returns
    -------
    ByHand
        The net.
    """
    ragged = isinstance(X, list)
    X = scaled_list(X) if ragged else scaled(X).to(device)
    labels = torch.from_numpy(y).to(device)
    optimizer = torch.optim.Adam(net.parameters(), lr=LEARNING_RATE, fused=True)
    for _ in range(epochs):
        for batch in torch.randperm(len(y)).split(batch_size):
            if ragged:
                sequences = [X[i] for i in batch.tolist()]
                lengths = torch.tensor([len(x) for x in sequences])
                steps = pad_sequence(sequences, batch_first=True)
                outputs = net(steps.to(device), lengths.to(device))
            else:
                outputs = net(X[batch.to(device)])
            optimizer.zero_grad()
            targets = labels[batch.to(device)]
            loss = sum(F.cross_entropy(o, targets[:, k]) for k, o in enumerate(outputs))
            loss.backward()
            if max_grad_norm is not None:
                nn.utils.clip_grad_norm_(net.parameters(), max_grad_norm)
            optimizer.step()
    return net


def predict(net, X, batch_size):
    """Labels of all tasks, an ndarray of shape (n, K)."""
    X, found = scaled(X), []
    with torch.inference_mode():
        for batch in X.split(batch_size):
            found.append(torch.stack([output.argmax(1) for output in net(batch)], dim=1))
    return torch.cat(found).numpy()
