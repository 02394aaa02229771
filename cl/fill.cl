/* Set a stretch of a buffer to one 32-bit word.
 * buffer[first .. first + n - 1] = word.  Work-items: at least n. */
__kernel void fill_words(__global uint *restrict buffer, const ulong first, const ulong n,
                         const uint word) {
    const size_t i = get_global_id(0);
    if (i < n) buffer[first + i] = word;
}
