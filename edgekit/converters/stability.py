"""How much a conversion hangs on which pictures it was calibrated on."""

from edgekit.calibration import Observations, Ranges, Samples
from edgekit.converters.export import FloatModel
from edgekit.converters.quantize import quantize_int8
from edgekit.evaluation import Verdict, compare
from edgekit.evaluation.sufficiency import half_ranges
from edgekit.evaluation.verdict import Runner
from edgekit.progress import Progress, silent

#: Pictures to compare the two halves' models on.
PICTURES = 100


def halves_agree(
    model: FloatModel,
    observations: Observations,
    ranges: Ranges,
    pictures: Samples,
    *,
    progress: Progress = silent,
) -> Verdict:
    """Two int8 models against each other, each calibrated on one half of the pictures.

    Where they agree on all pictures, half of the calibration set would have done; where they disagree, the verdict
    hangs on which pictures happened to be in it.

    Args:
      model: the float model.
      observations: of all calibration pictures on it.
      ranges: chosen from them.
      pictures: to compare on; the first PICTURES are used.
    """
    first, second = (
        Runner(quantize_int8(model.content, half, model.spec), model.spec, model.output)
        for half in half_ranges(observations, ranges)
    )
    return compare(first, second, pictures.take(PICTURES), progress=progress)
