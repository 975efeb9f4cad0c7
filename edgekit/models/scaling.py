"""Compound scaling: members between, below and beyond the published ones."""

from dataclasses import replace

from edgekit.errors import UsageError
from edgekit.models.family import FAMILY, Variant

#: Factors on depth, width and image size per unit of the coefficient (the paper's section 3.3): found for B0 by search
#: under depth · width² · size² ≈ 2, so that a unit about doubles the multiply-adds.
ALPHA, BETA, GAMMA = 1.2, 1.1, 1.15
#: Smaller than any use, and more than twice as deep as B7.
LEAST_PHI, MOST_PHI = -5.0, 10.0
#: Images are halved five times on their way.
_SIZE_STEP = 8
_MARK = "-phi"

#: Members that others are scaled from.
BASELINES = tuple(name for name, variant in FAMILY.items() if variant.width == variant.depth == 1.0)


def find_member(name: str, phi: float | None = None) -> Variant:
    """A published member, or a baseline scaled by a coefficient.

    Args:
      name: a key of `FAMILY`, or one such as "b0-phi1.5".
      phi: the coefficient; `name` is a baseline then.

    Raises:
      UsageError: there is none of that name, it is no baseline, or the coefficient is out of bounds.
    """
    baseline, mark, text = name.partition(_MARK)
    if mark and phi is None:
        return scaled(find_member(baseline), _number(text, name))
    if name not in FAMILY:
        raise UsageError(
            f"The family has no member {name[:40]!r}.",
            f"It has: {', '.join(FAMILY)}; and by --phi what lies between {', '.join(BASELINES)} and beyond.",
        )
    return FAMILY[name] if phi is None else scaled(FAMILY[name], phi)


def scaled(baseline: Variant, phi: float) -> Variant:
    """A baseline scaled by a coefficient: 0 is the baseline itself, one unit more about doubles the multiply-adds.

    Factors are rounded to tenths, as the published ones are: 0.5, 1, 2 and 3.25 have the layers of B1 to B4. Channels
    and blocks are then rounded as in all members, image sizes to multiples of 8.

    Raises:
      UsageError: `baseline` is scaled already, or the coefficient is out of bounds.
    """
    if baseline.name not in BASELINES:
        raise UsageError(
            f"{baseline.name} is scaled already.", f"A coefficient goes with one of: {', '.join(BASELINES)}."
        )
    if not LEAST_PHI <= phi <= MOST_PHI:
        raise UsageError(f"A coefficient of {phi:g} is out of bounds: {LEAST_PHI:g} to {MOST_PHI:g}.")
    return replace(
        baseline,
        name=f"{baseline.name}{_MARK}{phi:g}",
        width=round(BETA**phi, 1),
        depth=round(ALPHA**phi, 1),
        size=round(baseline.size * GAMMA**phi / _SIZE_STEP) * _SIZE_STEP,
        # B0 has 0.2; B7, at about 7, has 0.5.
        dropout=round(min(max(baseline.dropout + 0.05 * phi, 0.0), 0.5), 2),
        phi=phi,
    )


def _number(text: str, name: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{name[:40]!r} names no coefficient.", "Write for instance b0-phi1.5.") from None
