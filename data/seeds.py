"""One seed in the configuration, a different one for every step."""

import hashlib


def derive_seed(seed: int, *names: str) -> int:
    """Derive a seed from the configuration's seed and the names of what is being done.

    Parameters
    ----------
    seed
        The configuration's seed.
    names
        For instance subject and step.

    Returns
    -------
    int
        Between 0 and 2**32 - 1.

    Examples
    --------
    >>> derive_seed(0, "01", "decode") == derive_seed(0, "01", "decode")
    True
    >>> derive_seed(0, "01", "decode") == derive_seed(0, "02", "decode")
    False
    """
    digest = hashlib.sha256("\x1f".join([str(seed), *names]).encode()).digest()
    return int.from_bytes(digest[:4], "little")
