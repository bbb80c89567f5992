"""Evidence models: what of two records' tokens is compared, and how it becomes features."""

from broker.matching.dataset import Dataset
from broker.matching.evidence.fields import FieldEvidence
from broker.matching.evidence.model import Evidence, Feature, Features, Found
from broker.matching.evidence.record import RecordEvidence

__all__ = ["Evidence", "Feature", "Features", "Found", "evidence_for"]


def evidence_for(datasets: tuple[Dataset, ...], *, seed: int) -> Evidence:
    """The evidence model of the datasets' profile.

    Parameters
    ----------
    datasets : tuple of Dataset
        Those to be compared; one schema.
    seed : int
        Of random samples.
    """
    schema = datasets[0].schema
    if schema.filter.layout == "field":
        return FieldEvidence(schema, datasets, seed=seed)
    return RecordEvidence(schema)
