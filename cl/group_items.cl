/* Work-items of a group where n, a power of two, are wanted. A device may allow a kernel fewer than
 * its work-groups can have, for want of registers: the runtime then builds the program once more,
 * with -DMOST_ITEMS, and launches as many groups of that many. */
#ifdef MOST_ITEMS
#define ITEMS(n) ((n) < MOST_ITEMS ? (n) : MOST_ITEMS)
#else
#define ITEMS(n) (n)
#endif
