// Precompiled for the tests: what the product precompiles, and GoogleTest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/pch/heavy.h"
