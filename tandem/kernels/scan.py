"""Engle and Granger's test of many pairs from the cross-products of their columns.

A pair's residual is ``u = y - r x`` of columns centred (and detrended) and scaled to length one, so
that r is their correlation. Everything the Dickey-Fuller regressions of u need follows from

    C[k] = sum of d[t] d[t - k],  d[t] = u[t + 1] - u[t]          for k = 0 .. most
    rss  = sum of u[t]^2

and the first and last values of u: C is quadratic in r, with coefficients that are lagged
cross-products of the columns, which `tandem/scanner/moments.py` has for a whole tile of pairs at
once. Rows that a regression leaves out at either end are taken off exactly.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tandem.kernels import roots
from tandem.kernels.compiled import summing, summing_over

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int8]
Ints = npt.NDArray[np.int64]

FORWARD, BACKWARD = 1, 2

# What a pair's row of answers holds.
STATISTIC, LAGS, HURST, CROSSINGS, RSS, DIRECT = range(6)
# How far below 1 the autoregressive root lies: median-unbiased, and the ends of its interval.
ROOT, FARTHEST_ROOT, NEAREST_ROOT = 6, 7, 8
ANSWERS = 9
# What the row of a pair with bars of its own holds beside.
ALPHA, BETA, SLOPE, R_SQUARED, BARS, CORRELATION, LAST_Y, LAST_X = range(9, 17)
OWN_ANSWERS = 17
# Below this share of its parts the difference C has lost digits, and is summed from u itself.
CANCELLED = 1e-5
# A column is a combination of the earlier ones as far as doubles can tell.
SINGULAR = 1e-14
# A price is usable below this size, as in `analytics`.
LIMIT = 1e50


@summing
def _gram(
    products: Floats,
    head: Floats,
    tail: Floats,
    rss: float,
    m: int,
    lags: int,
    skip: int,
    g: Floats,
) -> None:
    """Fill the cross-products of [level before, change k before for k = 1..lags, change].

    The upper triangle only: along its rows the processor works on several entries at once.
    Over the rows that have `skip` earlier changes, of m changes in all. `head` holds the first
    values of u, `tail` the last ones, newest first.
    """
    last = lags + 1
    newest = tail[0]
    square = 0.0
    for t in range(skip):
        square += head[t] * head[t]
    g[0, 0] = rss - newest * newest - square
    level = 0.5 * (newest * newest - head[0] * head[0] - products[0])
    for k in range(lags + 1):
        if k > 0:
            level += products[k - 1] - newest * (tail[k - 1] - tail[k])
        change_edge = level_edge = 0.0
        for t in range(k, skip):
            back = head[t - k + 1] - head[t - k]
            change_edge += (head[t + 1] - head[t]) * back
            level_edge += head[t] * back
        place = last if k == 0 else k
        g[0, place] = level - level_edge
        g[place, last] = products[k] - change_edge
    for j in range(1, lags + 1):
        first = head[skip - j + 1] - head[skip - j]
        final = tail[j - 1] - tail[j]
        for k in range(j, lags + 1):
            # Both one bar earlier than the product at (j - 1, k - 1): drop its last, add a first.
            up = g[j - 1, k - 1] if j > 1 else g[k - 1, last] if k > 1 else g[last, last]
            g[j, k] = (
                up + (head[skip - k + 1] - head[skip - k]) * first - (tail[k - 1] - tail[k]) * final
            )


@summing
def _factor(g: Floats, count: int, scale: Floats) -> bool:
    """Replace the upper triangle by its Cholesky factor; False where it is singular.

    Row by row, four earlier rows at a time. The columns are scaled to length one first and scaled
    back after: a level and its differences may differ by many orders of magnitude.
    """
    for i in range(count):
        if not g[i, i] > 0.0:
            return False
        scale[i] = 1.0 / math.sqrt(g[i, i])
    for i in range(count):
        for j in range(i, count):
            g[i, j] *= scale[i] * scale[j]
    for j in range(count):
        row = g[j]
        whole = j - j % 4
        for k in range(0, whole, 4):
            a, b, c, d = g[k], g[k + 1], g[k + 2], g[k + 3]
            for i in range(j, count):
                row[i] -= a[j] * a[i] + b[j] * b[i] + c[j] * c[i] + d[j] * d[i]
        for k in range(whole, j):
            a = g[k]
            for i in range(j, count):
                row[i] -= a[j] * a[i]
        if not row[j] > SINGULAR:
            return False
        inverse = 1.0 / math.sqrt(row[j])
        for i in range(j, count):
            row[i] *= inverse
    for i in range(count):
        scale[i] = 1.0 / scale[i]
    for i in range(count):
        for j in range(i, count):
            g[i, j] *= scale[j]
    return True


@summing
def _by_aic(g: Floats, most: int, rows: int) -> int:
    """Return the number of lags with the least AIC, given the factor of all of them."""
    last = most + 1
    total = g[last, last] * g[last, last]
    best, chosen = math.inf, -1
    for k in range(most, -1, -1):
        score = rows * math.log(total) + 2.0 * k
        # The fewer lags where two are alike.
        if score <= best:
            best, chosen = score, k
        total += g[k, last] * g[k, last]
    return chosen


@summing
def _level(g: Floats, lags: int, freedom: int, work: Floats, out: Floats) -> None:
    """Fill the level's coefficient, its error, and 1 minus the sum of the lags' coefficients."""
    last = lags + 1
    damping, entry = 1.0, 0.0
    for i in range(last - 1, -1, -1):
        value = g[i, last]
        for j in range(i + 1, last):
            value -= g[i, j] * work[j]
        work[i] = value / g[i, i]
        if i > 0:
            damping -= work[i]
    coefficient = work[0]
    # Of the inverse only the level's own entry is needed.
    for i in range(last):
        value = 1.0 if i == 0 else 0.0
        for j in range(i):
            value -= g[j, i] * work[j]
        work[i] = value / g[i, i]
        entry += work[i] * work[i]
    out[0] = coefficient
    out[1] = g[last, last] * math.sqrt(entry / freedom)
    out[2] = damping


@summing
def _regress(
    products: Floats,
    head: Floats,
    tail: Floats,
    rss: float,
    m: int,
    lags: int,
    g: Floats,
    work: Floats,
    out: Floats,
) -> bool:
    """Run the regression with `lags` lags over all rows that have them."""
    _gram(products, head, tail, rss, m, lags, lags, g)
    freedom = m - lags - (lags + 1)
    if freedom < 1 or not _factor(g, lags + 2, work):
        return False
    _level(g, lags, freedom, work, out)
    return True


@summing
def _hurst(products: Floats, head: Floats, tail: Floats, m: int, steps: int) -> float:
    """Return half the slope of the log mean squared change over k bars on log k, k = 1..steps.

    A change over k bars is one over k - 1 bars and one more, so each sum follows from the one
    before, the lagged products and the ends.
    """
    size = products[0]
    if not size > 0.0:
        return np.nan
    middle = 0.0
    for k in range(1, steps + 1):
        middle += math.log(k) / steps
    together = start = first = 0.0
    weight = square = 0.0
    for k in range(1, steps + 1):
        if k > 1:
            # The newest change over k - 1 bars starts no longer one.
            gone = tail[0] - tail[k - 1]
            # E: products among the changes before the first that a longer one can end with.
            newest = head[k - 1] - head[k - 2]
            start += newest * (head[k - 2] - head[0])
            first += newest * newest
            together += products[k - 1]
            size = size - gone * gone + 2.0 * (together - start) + products[0] - first
        if not size > 0.0:
            return np.nan
        place = math.log(k) - middle
        weight += place * math.log(size / (m + 1 - k))
        square += place * place
    return weight / square / 2.0


@summing
def _crossings(y: Floats, x: Floats, r: float) -> int:
    """Count how often y - r x changes sign; zeros are passed over."""
    count = zeros = 0
    for t in range(1, len(y)):
        before = y[t - 1] - r * x[t - 1]
        now = y[t] - r * x[t]
        count += (before > 0.0) != (now > 0.0)
        zeros += before == 0.0
    if zeros == 0 and y[len(y) - 1] != r * x[len(y) - 1]:
        return count
    count, side = 0, 0.0
    for t in range(len(y)):
        now = y[t] - r * x[t]
        if now * side < 0.0:
            count += 1
        if now != 0.0:
            side = math.copysign(1.0, now)
    return count


@summing
def _sum_directly(y: Floats, x: Floats, r: float, u: Floats, products: Floats) -> float:
    """Fill the residual and the products of its changes from the columns; return its squares."""
    count = len(y)
    squares = 0.0
    for t in range(count):
        u[t] = y[t] - r * x[t]
        squares += u[t] * u[t]
    d = np.empty(count - 1)
    for t in range(count - 1):
        d[t] = u[t + 1] - u[t]
    for k in range(len(products)):
        total = 0.0
        for t in range(k, count - 1):
            total += d[t] * d[t - k]
        products[k] = total
    return squares


@summing
def _ends(y: Floats, x: Floats, r: float, head: Floats, tail: Floats) -> None:
    """Fill the first values of the residual, and the last ones, newest first."""
    count = len(y)
    for t in range(len(head)):
        head[t] = y[t] - r * x[t]
        tail[t] = y[count - 1 - t] - r * x[count - 1 - t]


@summing_over(roots)
def _test(
    products: Floats,
    head: Floats,
    tail: Floats,
    rss: float,
    m: int,
    most: int,
    steps: int,
    g: Floats,
    work: Floats,
    out: Floats,
    quantiles: Floats,
    answer: Floats,
) -> None:
    """Fill statistic and lags and, with `steps`, roots and Hurst; NaN for a singular matrix."""
    answer[STATISTIC] = answer[HURST] = np.nan
    answer[ROOT] = answer[FARTHEST_ROOT] = answer[NEAREST_ROOT] = np.nan
    answer[LAGS] = 0.0
    answer[RSS] = rss
    _gram(products, head, tail, rss, m, most, most, g)
    if not _factor(g, most + 2, work):
        return
    chosen = _by_aic(g, most, m - most)
    if chosen < 0 or not _regress(products, head, tail, rss, m, chosen, g, work, out):
        return
    answer[LAGS] = chosen
    if not out[1] > 0.0:
        return
    answer[STATISTIC] = out[0] / out[1]
    if steps == 0:
        return
    rows = m - chosen
    if not out[2] > 0.0:
        # Lags that take the whole pull upon themselves leave no root.
        rows = m
        if not _regress(products, head, tail, rss, m, 0, g, work, out):
            return
    if out[1] > 0.0 and out[2] > 0.0:
        answer[NEAREST_ROOT], answer[FARTHEST_ROOT], answer[ROOT] = roots.roots_inside(
            out[0], out[2], out[1], rows, quantiles
        )
    answer[HURST] = _hurst(products, head, tail, m, steps)


@summing_over(roots)
def scan_tile(
    y: Floats,
    x: Floats,
    own_y: Floats,
    own_x: Floats,
    cross: Floats,
    level: Floats,
    wanted: Codes,
    most: int,
    steps: int,
    quantiles: Floats,
    answers: Floats,
) -> None:
    """Test the wanted pairs of a tile.

    Parameters
    ----------
    y, x : ndarray of shape (rows, bars) and (columns, bars)
        Centred columns of length one.
    own_y, own_x : ndarray of shape (rows, products) and (columns, products)
        Products of each column's changes with its own k bars before.
    cross : ndarray of shape (rows, columns, products)
        Products of y's changes with x's k bars before, and of x's with y's, added.
    level : ndarray of shape (rows, columns)
        Products of the columns.
    wanted : ndarray of shape (rows, columns)
        0: leave out; FORWARD: y on x; BACKWARD: x on y.
    most : int
        Lags AIC chooses among.
    steps : int
        Longest step of Hurst's exponent; with 0 it, the roots and the crossings are left out.
    quantiles : ndarray of shape (decays, 4)
        As `roots.roots_inside` takes it.
    answers : ndarray of shape (rows, columns, ANSWERS)
    """
    bars, count = y.shape[1], own_y.shape[1]
    products, u = np.empty(count), np.empty(bars)
    head, tail = np.empty(count + 1), np.empty(count + 1)
    g, work, out = np.empty((most + 2, most + 2)), np.empty(most + 2), np.empty(3)
    for i in range(y.shape[0]):
        for j in range(x.shape[0]):
            if wanted[i, j] == FORWARD:
                first, second, own_first, own_second = y[i], x[j], own_y[i], own_x[j]
            elif wanted[i, j] == BACKWARD:
                first, second, own_first, own_second = x[j], y[i], own_x[j], own_y[i]
            else:
                continue
            r, answer = level[i, j], answers[i, j]
            _ends(first, second, r, head, tail)
            for k in range(count):
                products[k] = own_first[k] - r * cross[i, j, k] + r * r * own_second[k]
            rss = (1.0 - r) * (1.0 + r)
            parts = own_first[0] + r * r * own_second[0]
            answer[DIRECT] = 0.0
            if not (products[0] > CANCELLED * parts and rss > CANCELLED):
                rss = _sum_directly(first, second, r, u, products)
                answer[DIRECT] = 1.0
            _test(products, head, tail, rss, bars - 1, most, steps, g, work, out, quantiles, answer)
            answer[CROSSINGS] = _crossings(first, second, r) if steps > 0 else np.nan


@summing
def _gather(y: Floats, x: Floats, first: Floats, second: Floats) -> int:
    """Copy the bars both legs have; return how many."""
    count = 0
    for t in range(len(y)):
        if abs(y[t]) < LIMIT and abs(x[t]) < LIMIT:
            first[count], second[count] = y[t], x[t]
            count += 1
    return count


@summing
def _take_out(column: Floats, terms: int, found: Floats) -> None:
    """Take constant and trend out of a column and scale it to length one.

    `found` gets mean, slope per bar, length, and the squares about the mean; a length of 0 where
    nothing but rounding is left.
    """
    count = len(column)
    mean = slope = largest = 0.0
    for t in range(count):
        largest = max(largest, abs(column[t]))
    if terms > 0:
        for t in range(count):
            mean += (column[t] - column[0]) / count
        mean += column[0]
    total = 0.0
    for t in range(count):
        column[t] -= mean
        total += column[t] * column[t]
    if terms > 1:
        middle, weight = (count - 1) / 2.0, 0.0
        for t in range(count):
            slope += (t - middle) * column[t]
            weight += (t - middle) * (t - middle)
        slope /= weight
        for t in range(count):
            column[t] -= slope * (t - middle)
    left = size = 0.0
    for t in range(count):
        left = max(left, abs(column[t]))
        size += column[t] * column[t]
    found[0], found[1], found[3] = mean, slope, total
    found[2] = math.sqrt(size) if left > 1e-14 * largest else 0.0
    if found[2] > 0.0:
        for t in range(count):
            column[t] /= found[2]


@summing
def _correlation(y: Floats, x: Floats) -> float:
    """Return the correlation of two columns of returns over the bars both have; NaN without."""
    count = 0
    mean_y = mean_x = 0.0
    for t in range(len(y)):
        if abs(y[t]) < LIMIT and abs(x[t]) < LIMIT:
            count += 1
            mean_y += y[t]
            mean_x += x[t]
    if count < 3:
        return np.nan
    mean_y, mean_x = mean_y / count, mean_x / count
    yy = xx = yx = 0.0
    for t in range(len(y)):
        if abs(y[t]) < LIMIT and abs(x[t]) < LIMIT:
            yy += (y[t] - mean_y) ** 2
            xx += (x[t] - mean_x) ** 2
            yx += (y[t] - mean_y) * (x[t] - mean_x)
    if not (yy > 0.0 and xx > 0.0):
        return np.nan
    return yx / math.sqrt(yy) / math.sqrt(xx)


@summing_over(roots)
def scan_one_by_one(
    levels: Floats,
    returns: Floats,
    pairs: Ints,
    terms: int,
    fewest: int,
    given: int,
    steps: int,
    quantiles: Floats,
    answers: Floats,
) -> None:
    """Test pairs over the bars each has, for columns with gaps of their own.

    Parameters
    ----------
    levels : ndarray of shape (instruments, bars)
        NaN where there is no price.
    returns : ndarray of shape (instruments, bars - 1)
    pairs : ndarray of shape (pairs, 2)
        Rows of y and of x.
    terms : int
        0, 1 or 2: nothing, a constant, a constant and a trend are taken out.
    fewest : int
        Bars below which a pair is not tested.
    given : int
        Lags AIC chooses among; -1 for the usual number for the bars there are.
    steps, quantiles
        As in `scan_tile`.
    answers : ndarray of shape (pairs, OWN_ANSWERS)
    """
    bars = levels.shape[1]
    first, second, u = np.empty(bars), np.empty(bars), np.empty(bars)
    found_y, found_x = np.empty(4), np.empty(4)
    for p in range(len(pairs)):
        answer = answers[p]
        answer[:] = np.nan
        i, j = pairs[p, 0], pairs[p, 1]
        n = _gather(levels[i], levels[j], first, second)
        answer[BARS] = n
        answer[LAGS] = 0.0
        answer[DIRECT] = 1.0
        if n < fewest:
            continue
        y, x = first[:n], second[:n]
        answer[LAST_Y], answer[LAST_X] = y[n - 1], x[n - 1]
        _take_out(y, terms, found_y)
        _take_out(x, terms, found_x)
        if not (found_y[2] > 0.0 and found_x[2] > 0.0):
            continue
        r = 0.0
        for t in range(n):
            r += y[t] * x[t]
        most = given
        if given < 0:
            most = math.ceil(12.0 * (n / 100.0) ** 0.25)
        most = min(most, n // 2 - 1)
        count = max(most, steps - 1) + 1
        products, head, tail = np.empty(count), np.empty(count + 1), np.empty(count + 1)
        g, work, out = np.empty((most + 2, most + 2)), np.empty(most + 2), np.empty(3)
        _ends(y, x, r, head, tail)
        rss = _sum_directly(y, x, r, u, products)
        _test(products, head, tail, rss, n - 1, most, steps, g, work, out, quantiles, answer)
        beta = r * found_y[2] / found_x[2]
        slope = found_y[1] - beta * found_x[1]
        answer[BETA], answer[SLOPE] = beta, slope
        answer[ALPHA] = found_y[0] - beta * found_x[0] - slope * (n + 1) / 2.0
        answer[RSS] = rss * found_y[2] ** 2
        answer[R_SQUARED] = 1.0 - answer[RSS] / found_y[3]
        if steps > 0:
            answer[CROSSINGS] = _crossings(y, x, r)
            answer[CORRELATION] = _correlation(returns[i], returns[j])
