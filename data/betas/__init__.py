"""Single-trial responses that a data set's publisher has estimated (betas), read as they stand."""
