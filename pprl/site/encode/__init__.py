"""From normalised values to tokens: q-grams, Bloom filters, diffusion, exact tokens and match keys."""

from pprl.site.encode.encoder import Encoder

__all__ = ["Encoder"]
