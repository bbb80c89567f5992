"""How representative a cohort is of a population.

::

    reference = load_reference("builtin:cdc-2020-03")
    cohort = load_cohort("people.csv", optional=reference.attributes)
    result = represent(cohort, reference, maps=[load_category_map("builtin:omb")])
    write_report(result, "report")
"""

from pprl.cohort.categories import CategoryMap, load_category_map
from pprl.cohort.comparison import Comparison, Representation, Verdict, represent
from pprl.cohort.population import Population, Reference, ReferenceRow, RowKind
from pprl.cohort.reference_csv import load_reference
from pprl.cohort.report import to_json, to_markdown, to_rows, write_report
from pprl.cohort.tallies import Cohort, load_cohort

__all__ = [
    "CategoryMap",
    "Cohort",
    "Comparison",
    "Population",
    "Reference",
    "ReferenceRow",
    "Representation",
    "RowKind",
    "Verdict",
    "load_category_map",
    "load_cohort",
    "load_reference",
    "represent",
    "to_json",
    "to_markdown",
    "to_rows",
    "write_report",
]
