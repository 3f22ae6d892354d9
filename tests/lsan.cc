// What LeakSanitizer is not to tell of in the program that the sanitizers are built into: leaks of libraries that can't
// be mended here.
extern "C" const char* __lsan_default_suppressions();  // NOLINT(bugprone-reserved-identifier): its name is LSan's
extern "C" const char* __lsan_default_suppressions() {
  // libconfig 1.5 loses the string that it was reading at a syntax error.
  return "leak:strbuf_append\nleak:libconfig_yylex\n";
}
