// The main() of every unit test program. A test file includes <doctest/doctest.h> and nothing more
// of the test library.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
