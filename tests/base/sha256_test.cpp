#include "base/sha256.h"

#include <gtest/gtest.h>

#include <string>

namespace atelier {
namespace {

std::string digest_of(std::string_view text) { return to_hex(sha256(std::as_bytes(std::span(text)))); }

// The examples of FIPS 180-4.
TEST(Sha256, GivesWhatTheStandardGives) {
  EXPECT_EQ(digest_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(digest_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
}

TEST(Sha256, PiecesGiveWhatTheWholeGivesAndAnObjectBeginsAnew) {
  const std::string text(1000, 'x');
  Sha256 hash;
  for (const std::size_t piece : {1U, 7U, 500U}) {
    for (std::size_t at = 0; at < text.size(); at += piece) hash.add(std::string_view(text).substr(at, piece));
    EXPECT_EQ(to_hex(hash.finish()), digest_of(text));
  }
}

TEST(Sha256, HexGoesThereAndBackAndOtherTextIsRefused) {
  const Sha256Digest digest = sha256({});
  Sha256Digest back{};
  ASSERT_TRUE(from_hex(to_hex(digest), back));
  EXPECT_EQ(back, digest);
  for (const std::string& text : {std::string(), std::string(63, 'a'), std::string(64, 'g'), std::string(64, 'A')}) {
    EXPECT_FALSE(from_hex(text, back)) << text;
  }
}

}  // namespace
}  // namespace atelier
