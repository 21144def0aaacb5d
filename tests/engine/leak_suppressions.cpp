// Asked by LeakSanitizer where the tests are built with it. The loader that starts programs of a runtime folder keeps
// what it allocates for --library-path until the end.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:ld-linux\n"; }
