// Asked by LeakSanitizer where the tests are built with it. The loader that starts programs of a runtime folder keeps
// what it allocates for --library-path until the end.
// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming): the name is LeakSanitizer's.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:ld-linux\n"; }
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)
