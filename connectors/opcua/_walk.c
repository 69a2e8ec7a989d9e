/* The compiled walk over DataValues (OPC UA part 6, 5.2.2.17); walk.py says when it is used.
 *
 * walk(data, pos, row, count, prefix, buffers) -> (row, pos)
 *
 * Fills rows of the caller's buffers with every DataValue from `pos` on and stops, nothing of it
 * written, at the first that is not a scalar of fixed size, string, time, Guid or ByteString, or
 * that is cut: Python reads that one or refuses it. Every read is checked against the end of
 * `data`, every buffer's size against `count`. Stable ABI of Python 3.11.
 */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define CONTRACT 1 /* walk.py asks for this number */

enum { VALUE = 1, STATUS = 2, SOURCE = 4, SERVER = 8, SOURCE_PICOS = 16, SERVER_PICOS = 32 };
enum { NONE, FLOAT, INT, UINT, TEXT, RAW };
enum {
    HANDLES, HAS_SOURCE, HAS_SERVER, SOURCE_TICKS, SERVER_TICKS, TYPES, COLUMNS, FLOATS, INTS,
    UINTS, STATUSES, STARTS, SIZES, BUFFERS
};
static const unsigned char WIDTH[BUFFERS] = {4, 1, 1, 8, 8, 4, 1, 8, 8, 8, 4, 8, 8};

/* By built-in type: bytes of the value (of a string those of its length) and column. The ids 26
 * to 31 are reserved and read as ByteStrings; 0 bytes with column NONE is for Python, but Null. */
static const unsigned char SIZE[32] = {0, 1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8, 4, 8, 16, 4,
                                       4, 0, 0, 4, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4};
static const unsigned char COLUMN[32] = {
    NONE, INT,  INT,  UINT, INT,  UINT, INT,  UINT, INT,  UINT, FLOAT, FLOAT, TEXT, TEXT, TEXT, RAW,
    TEXT, NONE, NONE, UINT, NONE, NONE, NONE, NONE, NONE, NONE, RAW,   RAW,   RAW,  RAW,  RAW,  RAW};

/* Little-endian reads on any machine; compilers make one load of each. */
static uint64_t bits(const uint8_t *at, int size) {
    uint64_t found = 0;
    for (int i = 0; i < size; i++) found |= (uint64_t)at[i] << (8 * i);
    return found;
}

static uint16_t u16(const uint8_t *at) { return (uint16_t)bits(at, 2); }
static uint32_t u32(const uint8_t *at) { return (uint32_t)bits(at, 4); }
static uint64_t u64(const uint8_t *at) { return bits(at, 8); }

#define PUT(buffer, type, value)                                       \
    do {                                                               \
        type put_ = (value);                                           \
        memcpy(out[buffer] + row * (Py_ssize_t)sizeof put_, &put_, sizeof put_); \
    } while (0)

static double float_of(const uint8_t *at) {
    uint32_t raw = u32(at);
    float found;
    memcpy(&found, &raw, 4);
    return found;
}

static double double_of(const uint8_t *at) {
    uint64_t raw = u64(at);
    double found;
    memcpy(&found, &raw, 8);
    return found;
}

static void put_number(char *const *out, Py_ssize_t row, int kind, const uint8_t *at) {
    switch (kind) {
    case 1: PUT(INTS, int64_t, *at != 0); break;
    case 2: PUT(INTS, int64_t, (int8_t)*at); break;
    case 3: PUT(UINTS, uint64_t, *at); break;
    case 4: PUT(INTS, int64_t, (int16_t)u16(at)); break;
    case 5: PUT(UINTS, uint64_t, u16(at)); break;
    case 6: PUT(INTS, int64_t, (int32_t)u32(at)); break;
    case 7: case 19: PUT(UINTS, uint64_t, u32(at)); break;
    case 8: PUT(INTS, int64_t, (int64_t)u64(at)); break;
    case 9: PUT(UINTS, uint64_t, u64(at)); break;
    case 10: PUT(FLOATS, double, float_of(at)); break;
    case 11: PUT(FLOATS, double, double_of(at)); break;
    }
}

/* One DataValue at `pos` into `row`; the place behind it, -1 for one that Python must read. */
static Py_ssize_t one(const uint8_t *data, Py_ssize_t size, Py_ssize_t pos, Py_ssize_t row,
                      Py_ssize_t prefix, char *const *out) {
    Py_ssize_t left = size - pos; /* never negative: pos <= size */
    if (left < prefix + 1) return -1;
    const uint8_t *at = data + pos + prefix;
    left -= prefix + 1;
    int mask = *at++, kind = 0, column = NONE;
    const uint8_t *value = NULL;
    Py_ssize_t bytes = 0; /* of the value; -1 is a null string */
    if (mask & VALUE) {
        if (left < 1) return -1;
        kind = *at++;
        left--;
        if (kind > 31 || (kind && !SIZE[kind]) || left < SIZE[kind]) return -1;
        column = COLUMN[kind];
        value = at;
        bytes = SIZE[kind];
        at += bytes;
        left -= bytes;
        if (kind == 12 || kind == 15 || kind == 16 || kind >= 26) {
            bytes = (int32_t)u32(value);
            value = at;
            if (bytes > left) return -1;
            if (bytes < 0) column = NONE;
            else { at += bytes; left -= bytes; }
        }
    }
    Py_ssize_t tail = 4 * !!(mask & STATUS) + 8 * !!(mask & SOURCE) + 8 * !!(mask & SERVER) +
                      2 * !!(mask & SOURCE_PICOS) + 2 * !!(mask & SERVER_PICOS);
    if (left < tail) return -1;

    if (prefix) PUT(HANDLES, uint32_t, u32(data + pos));
    PUT(TYPES, int32_t, kind >= 26 ? 15 : kind);
    PUT(COLUMNS, uint8_t, (uint8_t)column);
    if (column == TEXT || column == RAW) {
        PUT(STARTS, int64_t, value - data);
        PUT(SIZES, int64_t, bytes);
    } else if (column != NONE) {
        put_number(out, row, kind, value);
    }
    if (mask & STATUS) { PUT(STATUSES, uint32_t, u32(at)); at += 4; }
    if (mask & SOURCE) {
        PUT(SOURCE_TICKS, int64_t, (int64_t)u64(at));
        PUT(HAS_SOURCE, uint8_t, 1);
        at += 8;
    }
    if (mask & SOURCE_PICOS) at += 2;
    if (mask & SERVER) {
        PUT(SERVER_TICKS, int64_t, (int64_t)u64(at));
        PUT(HAS_SERVER, uint8_t, 1);
        at += 8;
    }
    if (mask & SERVER_PICOS) at += 2;
    return at - data;
}

static int taken(PyObject *buffers, Py_buffer *views, char **out, Py_ssize_t count, int *held) {
    if (PyTuple_Size(buffers) != BUFFERS) {
        PyErr_SetString(PyExc_ValueError, "walk wants a tuple of 13 buffers");
        return 0;
    }
    for (; *held < BUFFERS; ++*held) {
        Py_buffer *view = &views[*held];
        if (PyObject_GetBuffer(PyTuple_GetItem(buffers, *held), view, PyBUF_WRITABLE) < 0) return 0;
        out[*held] = view->buf;
        if (view->len / WIDTH[*held] < count) {
            ++*held;
            PyErr_SetString(PyExc_ValueError, "a buffer of walk is too small");
            return 0;
        }
    }
    return 1;
}

static PyObject *walk(PyObject *Py_UNUSED(self), PyObject *arguments) {
    Py_buffer data, views[BUFFERS];
    Py_ssize_t pos, row, count, prefix;
    PyObject *buffers, *found = NULL;
    char *out[BUFFERS];
    int held = 0;
    if (!PyArg_ParseTuple(arguments, "y*nnnnO!:walk", &data, &pos, &row, &count, &prefix,
                          &PyTuple_Type, &buffers))
        return NULL;
    if (pos < 0 || pos > data.len || row < 0 || row > count || (prefix != 0 && prefix != 4))
        PyErr_SetString(PyExc_ValueError, "walk begins outside of its data");
    else if (taken(buffers, views, out, count, &held)) {
        for (; row < count; row++) {
            Py_ssize_t behind = one(data.buf, data.len, pos, row, prefix, out);
            if (behind < 0) break;
            pos = behind;
        }
        found = Py_BuildValue("nn", row, pos);
    }
    while (held > 0) PyBuffer_Release(&views[--held]);
    PyBuffer_Release(&data);
    return found;
}

static PyMethodDef METHODS[] = {
    {"walk", walk, METH_VARARGS, "walk(data, pos, row, count, prefix, buffers) -> (row, pos)"},
    {NULL, NULL, 0, NULL}};

static int filled(PyObject *module) { return PyModule_AddIntConstant(module, "CONTRACT", CONTRACT); }

static PyModuleDef_Slot SLOTS[] = {{Py_mod_exec, (void *)filled}, {0, NULL}};

static PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_walk", "The compiled walk over DataValues.",
                             0, METHODS, SLOTS, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__walk(void) { return PyModuleDef_Init(&MODULE); }
