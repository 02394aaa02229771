/* How kernels receive tensors of a population: a buffer, the element at which member 0 starts, and
 * the stride from one member to the next (0 shares one copy). The host side is iv_arg_view. */
#define TENSOR(type, name)                                                                         \
    __global type *restrict name##_buffer, const uint name##_offset, const uint name##_stride

/* Pointer to member r of a TENSOR argument. */
#define MEMBER(name, r) (name##_buffer + name##_offset + (size_t)(r) * name##_stride)

/* Names put together from parts that are macros. */
#define PASTE_(a, b) a##b
#define PASTE(a, b) PASTE_(a, b)

/* With -DVW=n a file works on vectors of n floats: LOAD and STORE need a float's alignment alone,
 * SPREAD stores one by one where that is better (private memory). */
#ifdef VW
#if VW == 1
typedef float vector;
#define LOAD(p)      (*(p))
#define STORE(v, p)  (*(p) = (v))
#define SPREAD(v, p) (*(p) = (v))
#else
typedef PASTE(float, VW) vector;
#define LOAD(p)      PASTE(vload, VW)(0, p)
#define STORE(v, p)  PASTE(STORE, VW)(v, p)
#define SPREAD(v, p) PASTE(vstore, VW)(v, 0, p)
#endif
#endif

/* Fused multiply-add where the device has one, the fast combination elsewhere. INVAR_FAST_FMA comes
 * from the runtime, for drivers that do not say. */
#if defined(FP_FAST_FMAF) || defined(INVAR_FAST_FMA)
#define MULTIPLY_ADD(a, b, c) fma(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) mad(a, b, c)
#endif

/* Store a whole vector of floats where only a float's alignment is certain. PoCL 3.1 makes three
 * stores of a vstore16, and one of a vector type that says so. */
typedef float2 loose_float2 __attribute__((aligned(4)));
typedef float4 loose_float4 __attribute__((aligned(4)));
typedef float8 loose_float8 __attribute__((aligned(4)));
typedef float16 loose_float16 __attribute__((aligned(4)));
#define STORE2(value, p)  (*(__global loose_float2 *)(p) = (value))
#define STORE4(value, p)  (*(__global loose_float4 *)(p) = (value))
#define STORE8(value, p)  (*(__global loose_float8 *)(p) = (value))
#define STORE16(value, p) (*(__global loose_float16 *)(p) = (value))
