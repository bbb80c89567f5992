"""What the engine is measured with: labelled data, scores against the truth, and the demonstration."""
