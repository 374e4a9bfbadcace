/* What the library shows to Python. Every name begins with sp_; nothing here knows Python. */
#ifndef SP_EXPORT_H
#define SP_EXPORT_H

#include <stdint.h>

#if defined(_WIN32)
#define SP_EXPORT __declspec(dllexport)
#else
#define SP_EXPORT __attribute__((visibility("default")))
#endif

/* Raised with every change of a signature or of a record: a library of another number is not used. */
#define SP_INTERFACE 1

#endif
