"""Long forms of the promises: run by hand or by make soak."""
