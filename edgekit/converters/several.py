"""One source for several targets: opened, calibrated and searched once."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgekit.converters.images import Data
from edgekit.converters.pipeline import Conversion, Searched, finish, prepare, search
from edgekit.converters.recipe import Recipe
from edgekit.converters.sources.source import Source
from edgekit.errors import EdgekitError
from edgekit.progress import Progress, silent


@dataclass(frozen=True)
class ForTarget:
    """What became of one target.

    Attributes:
      target: its name.
      conversion: the model and its verdict; None where it could not be made.
      error: why not.
    """

    target: str
    conversion: Conversion | None = None
    error: EdgekitError | None = None


def convert_for(
    recipes: Sequence[Recipe],
    source: Source,
    data: Data = None,
    *,
    verify: bool = True,
    verify_data: Data = None,
    check_export: bool = False,
    progress: Progress = silent,
) -> tuple[ForTarget, ...]:
    """Converts a source for each of several targets.

    The search for int8 is made once; a target that cannot have such a model says why, and the others are made.

    Args:
      recipes: one for each target (see `recipe.for_target`); they differ in what the target decides alone.
      source, data, verify, verify_data, check_export, progress: as for `convert`.

    Raises:
      EdgekitError: what concerns all of them, as `convert` raises it; of a single target all that it raises.
    """
    ready = prepare(
        source, data, recipes[0], verify=verify, verify_data=verify_data, check_export=check_export, progress=progress
    )
    # What leaves ops in float finds its ranges too: first, so that one search serves all.
    order = sorted(recipes, key=lambda each: not each.allow_float)
    found: dict[str, ForTarget] = {}
    int8: Searched | None = None
    for each in order:
        try:
            searched = search(ready, each, progress, int8)
            int8 = searched or int8
            found[each.target] = ForTarget(each.target, finish(ready, each, searched, progress))
        except EdgekitError as error:
            if len(recipes) == 1:
                raise
            found[each.target] = ForTarget(each.target, error=error)
    return tuple(found[each.target] for each in recipes)
