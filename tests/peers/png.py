"""PNG to pixels with the standard library and numpy: what a browser draws, no more."""

import zlib

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
CHANNELS = {2: 3, 6: 4}


def pixels(data):
    """Height x width x RGB of an 8-bit PNG without interlacing (ISO/IEC 15948)."""
    assert data.startswith(SIGNATURE)
    at, header, body = len(SIGNATURE), b"", b""
    while at < len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        chunk = data[at + 8 : at + 8 + size]
        header, body = (chunk if kind == b"IHDR" else header), body + chunk * (kind == b"IDAT")
        at += size + 12
    width, height = (int.from_bytes(header[i : i + 4], "big") for i in (0, 4))
    depth, colour, _, _, interlaced = header[8:13]
    assert (depth, interlaced) == (8, 0)
    step = CHANNELS[colour]
    lines = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + width * step)
    out = np.zeros((height + 1, width, step), np.uint8)
    for number, line in enumerate(lines):
        out[number + 1] = _line(line[0], line[1:].reshape(width, step), out[number])
    return out[1:, :, :3]


def _line(kind, line, above):
    """Undo the filter of one line."""
    if kind == 0:
        return line
    if kind == 1:
        return np.cumsum(line, axis=0, dtype=np.uint8)
    if kind == 2:
        return line + above
    return _sequential(kind, line.tolist(), above.tolist())


def _sequential(kind, line, above):
    """Average and Paeth need the pixel to the left first."""
    step = len(line[0])
    left, corner, out = [0] * step, [0] * step, []
    for raw, up in zip(line, above, strict=True):
        guess = [
            (a + b) // 2 if kind == 3 else _paeth(a, b, c)
            for a, b, c in zip(left, up, corner, strict=True)
        ]
        left = [(r + g) & 255 for r, g in zip(raw, guess, strict=True)]
        corner = up
        out.append(left)
    return np.array(out, np.uint8)


def _paeth(a, b, c):
    estimate = a + b - c
    return min((a, b, c), key=lambda one: abs(estimate - one))
