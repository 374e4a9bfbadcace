/* The library as a whole: what it is, and the tables that it fills once, before anybody asks. */
#include "export.h"
#include "robust_rates.h"
#include "stopping_looks.h"

#ifndef SP_SOURCES
#define SP_SOURCES ""
#endif

SP_EXPORT int32_t sp_interface(void) { return SP_INTERFACE; }

/* What it was built from: build.digest() of the sources. */
SP_EXPORT const char *sp_sources(void) { return SP_SOURCES; }

/* To be called once, before any other function and from one thread. */
SP_EXPORT void sp_begin(void) {
    robust_fill_tables();
    stopping_fill_tables();
}
