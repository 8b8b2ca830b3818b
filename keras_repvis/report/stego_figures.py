"""Figures of what a translation hides: errors against corruptions, spectra, bands, edits, Jacobians."""

import matplotlib.figure
import numpy as np

from keras_repvis.analysis.evaluation.mean_interval import MeanInterval
from keras_repvis.report import curves

_HALF, _FULL = (5.2, 3.4), (10.6, 3.6)
_GREY = "#4d4d4d"
_LEVELS = {
    "rounding": "rounding to {:g} bits", "JPEG": "JPEG of quality {:g}", "blur": "blur of {:g} px",
    "smaller and back": "1/{:g} of the size and back",
}


def errors(clean, effect):
    """Return a `MeanInterval` a level: the mean error, with the interval of its increase over that without corruption.

    Args:
        clean: `analysis.information.Reconstruction`.
        effect: `analysis.information.CorruptionEffect`.
    """
    base = float(clean.error.mean())
    return [MeanInterval(base + one.mean, base + one.low, base + one.high, one.images)
            for one in clean.increase(effect)]


def noise_figure(sensitivity):
    """Draw the error of the reconstruction against the strength of noise, a line a width of the noise."""
    figure, axes = _axes(_FULL)
    clean = sensitivity.reconstruction
    noises = [curve for curve in sensitivity.curves.values() if "noise" in curve.name]
    for colour, curve in zip(curves.COLOURS, noises):
        _band(axes, curve.levels, errors(clean, curve.in_float), colour, curve.name)
    if noises:
        means, name = noises[0].in_8bit.error.mean(axis=0), f"{noises[0].name}, 8 bits"
        axes.plot(noises[0].levels, means, ":", color=curves.COLOURS[0], linewidth=1.6, label=name)
    _level(axes, clean.doubled.mean(), "twice the error without noise")
    _level(axes, np.nanmean(clean.chance) if len(clean.chance) > 1 else np.nan, "encoding of another image")
    axes.set_xlabel("standard deviation of the noise in F(x), grey levels")
    axes.set_ylabel("error of G, grey levels")
    _from_zero(axes)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def corruption_figure(sensitivity):
    """Draw the error of the reconstruction after each corruption that is no noise, a dot a level."""
    clean = sensitivity.reconstruction
    names, means, colours = ["nothing, as floats"], [MeanInterval(clean.error.mean(), np.nan, np.nan, 1)], [_GREY]
    others = [curve for curve in sensitivity.curves.values() if "noise" not in curve.name]
    for colour, curve in zip(curves.COLOURS, others):
        names += [_LEVELS.get(curve.name, f"{curve.name}, {{:g}} {curve.unit}").format(level) for level in curve.levels]
        means += errors(clean, curve.in_8bit)
        colours += [colour] * len(curve.levels)
    figure, axes = _axes((10.6, 0.21 * len(names) + 0.7))
    for place, (one, colour) in enumerate(zip(means, colours)):
        if np.isfinite([one.low, one.high]).all():
            axes.plot([one.low, one.high], [place, place], color=colour, linewidth=2.4, alpha=0.45)
        axes.plot([one.mean], [place], "o", color=colour, markersize=5)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()
    axes.set_xlabel("error of G through 8 bits, grey levels")
    axes.axvline(clean.doubled.mean(), color=_GREY, linewidth=1, linestyle="--")
    if len(clean.chance) > 1:
        axes.axvline(clean.chance.mean(), color=_GREY, linewidth=1, linestyle=":")
    axes.set_xlim(0, 1.02 * axes.get_xlim()[1])
    return figure


def spectrum_figure(hidden):
    """Draw amplitude against spatial frequency, of encodings and of real images of their domain."""
    figure, axes = _axes(_HALF)
    lines = [("F(x)", hidden.code_spectrum, "-"), ("real y", hidden.reference_spectrum, "-"),
             ("x", hidden.source_spectrum, "--")]
    for colour, (name, spectrum, style) in zip(curves.COLOURS, lines):
        if spectrum is None:
            continue
        # The geometric mean over images; a bin without power is left out.
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.exp(0.5 * np.log(spectrum.power).mean(axis=0))
        axes.plot(spectrum.frequencies, np.where(mean > 0, mean, np.nan), style, color=colour, label=name)
    for low, _ in hidden.bands[1:]:
        axes.axvline(low, color="#dfe4ea", linewidth=0.8, zorder=0)
    axes.set_yscale("log")
    axes.set_xlabel("spatial frequency, cycles per pixel")
    axes.set_ylabel("amplitude, grey levels")
    axes.legend(frameon=False, fontsize=8)
    return figure


def band_figure(hidden):
    """Draw the error of the reconstruction without one band, and without all above a cutoff."""
    figure, axes = _axes(_HALF)
    edges = np.array([low for low, _ in hidden.bands] + [np.sqrt(0.5)])
    clean = hidden.reconstruction
    rises = [one.mean for one in clean.increase(hidden.band_stop.in_float)]
    axes.bar(edges[:-1], rises, np.diff(edges), bottom=clean.error.mean(), align="edge", color=curves.COLOURS[0],
             alpha=0.35, edgecolor="white", label="without this band")
    low_pass = errors(clean, hidden.low_pass.in_float)
    _band(axes, hidden.low_pass.levels, low_pass, curves.COLOURS[1], "without everything above", marker="o")
    _level(axes, clean.error.mean(), "with everything")
    axes.set_xlabel("spatial frequency in F(x), cycles per pixel")
    axes.set_ylabel("error of G, grey levels")
    _from_zero(axes)
    axes.legend(frameon=False, fontsize=8)
    return figure


def edit_figure(edits):
    """Draw which share of an edit of the encoding lies how far from the patch that was changed."""
    figure, axes = _axes((10.6, 2.8))
    for colour, name, effect in zip(curves.COLOURS, ("as floats", "through 8 bits"), (edits.in_float, edits.in_8bit)):
        profile = effect.profile[np.isfinite(effect.profile).all(axis=1)]
        if len(profile):
            axes.plot(profile.mean(axis=0), color=colour, label=name)
            axes.fill_between(range(profile.shape[1]), profile.min(0), profile.max(0), color=colour, alpha=0.15)
    axes.set_ylim(0, 1.02)
    axes.set_xlim(left=0)
    axes.set_xlabel("distance from the patch, pixels")
    axes.set_ylabel("share of the energy within")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return figure


def singular_value_figure(spectra):
    """Draw the largest singular values of several Jacobians, and the mean gain of all directions."""
    figure, axes = _axes(_HALF)
    for colour, (name, found) in zip(curves.COLOURS, spectra.items()):
        numbers = np.arange(1, found.values.shape[1] + 1)
        axes.plot(numbers, np.exp(np.log(found.values).mean(axis=0)), "o-", markersize=4, color=colour, label=name)
        if len(found.values) > 1:
            axes.fill_between(numbers, found.values.min(0), found.values.max(0), color=colour, alpha=0.15)
        axes.axhline(found.mean_gain.mean(), color=colour, linewidth=1, linestyle=":")
    axes.axhline(1, color=_GREY, linewidth=1, linestyle="--")
    axes.set_yscale("log")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_xlabel("number of the singular value")
    axes.set_ylabel("change of the output / of the input")
    axes.legend(frameon=False, fontsize=8)
    return figure


def linearity_figure(linearity):
    """Draw what the Jacobian does not predict of a change, against the size of the change."""
    figure, axes = _axes(_HALF)
    levels = 255 * np.array(linearity.amplitudes)
    for colour, kind in zip(curves.COLOURS, linearity.errors):
        measured = linearity.errors[kind].mean(axis=1)
        axes.plot(levels, measured.mean(axis=0), "o-", markersize=4, color=colour, label=f"{kind} directions")
        axes.fill_between(levels, measured.min(0), measured.max(0), color=colour, alpha=0.15, linewidth=0)
    axes.axhline(1, color=_GREY, linewidth=1, linestyle="--")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("size of the change of F(x), grey levels")
    axes.set_ylabel("relative error of the linear prediction")
    axes.legend(frameon=False, fontsize=8)
    return figure


def _axes(size):
    figure = matplotlib.figure.Figure(figsize=size, layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
    return figure, axes


def _band(axes, places, intervals, colour, label, marker=""):
    """Draw means with their intervals, where they are finite."""
    means, lows, highs = (np.array([getattr(one, name) for one in intervals]) for name in ("mean", "low", "high"))
    axes.plot(places, means, color=colour, linewidth=1.6, marker=marker, markersize=4, label=label)
    if np.isfinite([lows, highs]).all():
        axes.fill_between(places, lows, highs, color=colour, alpha=0.15, linewidth=0)


def _level(axes, value, label):
    if np.isfinite(value):
        axes.axhline(value, color=_GREY, linewidth=1, linestyle="--" if "another" not in label else ":", label=label)


def _from_zero(axes):
    axes.set_ylim(bottom=0)
    axes.set_xlim(left=0)
