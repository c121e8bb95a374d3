"""Lagged cross-products of all pairs of a tile at once.

A product at lag k costs a multiplication per bar, pair and lag when it is summed. Here each column
is cut into blocks, and the blocks' Fourier transforms are multiplied instead (the overlap-save
method): one matrix product over the blocks for every frequency gives the cross-spectra of all
pairs, and one more turns them into all lags. For 5,000 bars and 33 lags that is a thirtieth of the
multiplications. Only the sum of both directions' products is needed, so the spectra's real parts
are enough.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

# Lengths of transforms that are tried, all products of small primes.
LENGTHS = (64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096)


class Spectra(NamedTuple):
    """Fourier transforms of some columns' blocks.

    Attributes
    ----------
    blocks, windows : ndarray of shape (frequencies, columns, 2 * blocks)
        Real parts, then imaginary ones: of the blocks alone, and of the blocks with `lags` bars
        around each.
    weights : ndarray of shape (frequencies, lags + 1)
        What turns the products' real parts into lagged products.
    """

    blocks: Floats
    windows: Floats
    weights: Floats


def transform_length(bars: int, lags: int) -> int:
    """Return the length of transform with the fewest multiplications per pair."""

    def work(length: int) -> float:
        blocks = -(-bars // (length - 2 * lags))
        return (length // 2 + 1) * (2.0 * blocks + lags + 1)

    fitting = [length for length in LENGTHS if length >= 3 * lags and length > 2 * lags]
    return min(fitting, key=work)


def spectra(changes: Floats, lags: int) -> Spectra:
    """Return the transforms of columns, given as rows of shape (columns, bars)."""
    columns, bars = changes.shape
    length = transform_length(bars, lags)
    step = length - 2 * lags
    blocks = -(-bars // step)
    padded = np.zeros((columns, (blocks - 1) * step + length))
    padded[:, lags : lags + bars] = changes
    windows = np.lib.stride_tricks.sliding_window_view(padded, length, axis=1)[:, ::step]
    middle = np.zeros((columns, blocks, length))
    middle[:, :, lags : lags + step] = windows[:, :, lags : lags + step]
    angle = 2.0 * np.pi / length * np.outer(np.arange(length // 2 + 1), np.arange(lags + 1))
    weights = np.cos(angle) * (4.0 / length)
    weights[[0, -1]] /= 2.0
    return Spectra(_parts(middle), _parts(windows), weights)


def _parts(pieces: Floats) -> Floats:
    """Return real and imaginary parts of the pieces' transforms, frequencies first."""
    transforms = np.fft.rfft(pieces, axis=-1)
    columns, blocks, frequencies = transforms.shape
    out = np.empty((frequencies, columns, 2 * blocks))
    out[:, :, :blocks] = transforms.real.transpose(2, 0, 1)
    out[:, :, blocks:] = transforms.imag.transpose(2, 0, 1)
    return out


def cross_products(first: Spectra, second: Spectra) -> Floats:
    """Return every pair's lagged products, those of both directions added.

    Returns
    -------
    ndarray of shape (columns of first, columns of second, lags + 1)
        At k: the sum over t of ``a[t] b[t - k] + b[t] a[t - k]``.
    """
    together = np.matmul(first.blocks, second.windows.transpose(0, 2, 1))
    frequencies, rows, columns = together.shape
    products = together.reshape(frequencies, rows * columns).T @ first.weights
    return np.ascontiguousarray(products).reshape(rows, columns, -1)


def own_products(found: Spectra) -> Floats:
    """Return each column's lagged products with itself, of shape (columns, lags + 1)."""
    together = np.einsum("fcb,fcb->cf", found.blocks, found.windows)
    products: Floats = together @ found.weights
    return products / 2.0
