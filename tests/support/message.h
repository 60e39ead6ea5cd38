// EXPECT_MESSAGE(expression, Exception, text): the expression throws exactly that, with exactly
// that text.
#pragma once

#include <gtest/gtest.h>

#include <string>

#define EXPECT_MESSAGE(expression, Exception, text)        \
  try {                                                    \
    static_cast<void>(expression);                         \
    ADD_FAILURE() << "nothing was thrown by " #expression; \
  } catch (const Exception& error) {                       \
    EXPECT_EQ(std::string(error.what()), text);            \
  }
