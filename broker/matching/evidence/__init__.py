"""Evidence models: what of two records' tokens is compared, and how it becomes features."""

from broker.matching.dataset import Dataset
from broker.matching.evidence.fields import FieldEvidence
from broker.matching.evidence.model import Evidence, Feature, Features, Seen, Vectors, patterns, sums
from broker.matching.evidence.record import RecordEvidence, near_distance

__all__ = ["Evidence", "Feature", "Features", "Seen", "Vectors", "evidence_for", "patterns", "sums"]


def evidence_for(
    left: Dataset, right: Dataset | None, strangers: tuple[Dataset, ...], *, seed: int
) -> Evidence:
    """The evidence model of the datasets' profile.

    Parameters
    ----------
    left, right : Dataset
        Those to be compared, of one schema; ``right`` None: ``left`` with itself.
    strangers : tuple of Dataset
        Duplicate-free ones, whose pairs show what strangers look like.
    seed : int
        Of random samples.
    """
    schema = left.schema
    if schema.filter.layout == "field":
        compared = (left, *strangers) if right is None else (left, right)
        return FieldEvidence(schema, compared, seed=seed)
    return RecordEvidence(schema, near_distance(left, right) if schema.filter.layout == "record" else 0)
