"""Side-by-side measurements: each of ours beside a peer, in one interleaved run."""
