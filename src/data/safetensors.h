/* What writing and reading safetensors agree on. */
#ifndef INVAR_DATA_SAFETENSORS_H
#define INVAR_DATA_SAFETENSORS_H

/* Stands in a sealed file for its SHA-256 while that is computed: 64 zeros. */
extern const char iv_safetensors_no_seal[];

#endif
