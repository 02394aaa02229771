/* Inside the linalg room: the engines behind iv_gemm. A description that reaches them is checked and has
 * gate_rows >= 1. */
#ifndef INVAR_LINALG_GEMM_H
#define INVAR_LINALG_GEMM_H

#include <invar/linalg.h>

iv_status iv_gemm_clblast(iv_sequence *sequence, const iv_gemm_desc *desc);
iv_status iv_gemm_panel(iv_sequence *sequence, const iv_gemm_desc *desc);

#endif
