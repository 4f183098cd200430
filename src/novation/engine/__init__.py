"""The compiled market state and the kernels that move it."""
