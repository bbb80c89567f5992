"""What the broker can tell a site of its delivery, by its tokens alone.

Counts and shares, by field and by match key; never a value, and never a token. What it says may be shown to whoever
may see the dataset's counts: small ones are hidden, and what they would follow from. docs/intake.md explains every
figure to people.
"""

from __future__ import annotations

from broker.delivery_quality.measure import Changes, measure_quality
from broker.delivery_quality.sentences import describe_quality

__all__ = ["Changes", "describe_quality", "measure_quality"]
