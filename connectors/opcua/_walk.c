/* The compiled walk over DataValues (OPC UA part 6, 5.2.2.17); walk.py says when it is used, its
 * slow twin is twin.py.
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

#define CONTRACT 2 /* walk.py asks for this number */

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

/* spell(data, count, column, buffers, offsets, letters) -> bytes written, or -1
 *
 * The texts (or ByteStrings) of all rows one behind the other, DateTimes and Guids spelled out,
 * with Arrow's offsets. -1 where one is not for C: a DateTime beyond the years 1000 to 9999, one
 * that Python made, or no room; pieces.py does it then. */
#define FIRST_TICKS (-189657504000000000LL) /* 1000-01-01 since 1601 */
#define LAST_TICKS 2650467744000000000LL    /* 10000-01-01 */

static void digits(char *at, int width, int64_t number) {
    while (width-- > 0) {
        at[width] = (char)('0' + number % 10);
        number /= 10;
    }
}

/* Dates count from 0000-03-01, 365183 days before 1000-01-01, in eras of 400 years: the leap day
 * is then the last of its year. */
static int moment(char *at, int64_t ticks) {
    if (ticks < FIRST_TICKS || ticks >= LAST_TICKS) return 0;
    int64_t since = ticks - FIRST_TICKS, days = since / 864000000000LL + 365183;
    int64_t rest = since % 864000000000LL, second = rest / 10000000;
    int64_t era = days / 146097, day = days % 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100;
    int64_t month = (5 * day + 2) / 153;
    memcpy(at, "0000-00-00T00:00:00.0000000Z", 28);
    digits(at + 8, 2, day - (153 * month + 2) / 5 + 1);
    digits(at + 5, 2, month < 10 ? month + 3 : month - 9);
    digits(at, 4, year + era * 400 + (month >= 10));
    digits(at + 11, 2, second / 3600);
    digits(at + 14, 2, second / 60 % 60);
    digits(at + 17, 2, second % 60);
    digits(at + 20, 7, rest % 10000000);
    return 28;
}

static int guid(char *at, const uint8_t *part) {
    static const signed char ORDER[] = {3, 2, 1, 0, -1, 5, 4, -1, 7, 6, -1,
                                        8, 9, -1, 10, 11, 12, 13, 14, 15};
    for (size_t i = 0; i < sizeof ORDER; i++) {
        if (ORDER[i] < 0) { *at++ = '-'; continue; }
        *at++ = "0123456789abcdef"[part[ORDER[i]] >> 4];
        *at++ = "0123456789abcdef"[part[ORDER[i]] & 15];
    }
    return 36;
}

static Py_ssize_t spelled(const Py_buffer *data, Py_ssize_t count, int wanted, char *const *out,
                          char *offsets, char *letters, Py_ssize_t room) {
    Py_ssize_t end = 0;
    for (Py_ssize_t row = 0; row < count; row++) {
        if (((const uint8_t *)out[COLUMNS])[row] == wanted) {
            int32_t kind;
            int64_t start, size;
            memcpy(&kind, out[TYPES] + row * 4, 4);
            memcpy(&start, out[STARTS] + row * 8, 8);
            memcpy(&size, out[SIZES] + row * 8, 8);
            if (start <= 0 || size < 0 || start > data->len || size > data->len - start) return -1;
            const uint8_t *part = (const uint8_t *)data->buf + start;
            int64_t needed = kind == 13 ? 28 : kind == 14 ? 36 : size;
            if (needed > room - end || needed > INT32_MAX - end) return -1;
            if (kind == 13) {
                if (size != 8 || !moment(letters + end, (int64_t)u64(part))) return -1;
            } else if (kind == 14) {
                if (size != 16) return -1;
                guid(letters + end, part);
            } else {
                memcpy(letters + end, part, (size_t)size);
            }
            end += (Py_ssize_t)needed;
        }
        int32_t behind = (int32_t)end;
        memcpy(offsets + (row + 1) * 4, &behind, 4);
    }
    return end;
}

static PyObject *spell(PyObject *Py_UNUSED(self), PyObject *arguments) {
    Py_buffer data, offsets, letters, views[BUFFERS];
    Py_ssize_t count;
    PyObject *buffers, *found = NULL;
    char *out[BUFFERS];
    int wanted, held = 0;
    if (!PyArg_ParseTuple(arguments, "y*niO!w*w*:spell", &data, &count, &wanted, &PyTuple_Type,
                          &buffers, &offsets, &letters))
        return NULL;
    if (count < 0 || offsets.len / 4 - 1 < count)
        PyErr_SetString(PyExc_ValueError, "the offsets of spell are too few");
    else if (taken(buffers, views, out, count, &held)) {
        memset(offsets.buf, 0, 4);
        found = PyLong_FromSsize_t(
            spelled(&data, count, wanted, out, offsets.buf, letters.buf, letters.len));
    }
    while (held > 0) PyBuffer_Release(&views[--held]);
    PyBuffer_Release(&letters);
    PyBuffer_Release(&offsets);
    PyBuffer_Release(&data);
    return found;
}

static PyMethodDef METHODS[] = {
    {"walk", walk, METH_VARARGS, "walk(data, pos, row, count, prefix, buffers) -> (row, pos)"},
    {"spell", spell, METH_VARARGS,
     "spell(data, count, column, buffers, offsets, letters) -> bytes written, or -1"},
    {NULL, NULL, 0, NULL}};

static int filled(PyObject *module) { return PyModule_AddIntConstant(module, "CONTRACT", CONTRACT); }

static PyModuleDef_Slot SLOTS[] = {{Py_mod_exec, (void *)filled}, {0, NULL}};

static PyModuleDef MODULE = {PyModuleDef_HEAD_INIT, "_walk", "The compiled walk over DataValues.",
                             0, METHODS, SLOTS, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__walk(void) { return PyModuleDef_Init(&MODULE); }
