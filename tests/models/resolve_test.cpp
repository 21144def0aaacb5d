#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/catalog.h"
#include "tests/base/temporary_folder.h"
#include "tests/models/gguf_builder.h"

namespace atelier::models {
namespace {

using ::testing::HasSubstr;

class Resolve : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string model = llama_model(15).build();
    folder_.write("models/qwen/Qwen3-8B-GGUF/Qwen3-8B-Q4_K_M.gguf", model);
    folder_.write("models/qwen/Qwen3-8B-GGUF/Qwen3-8B-Q8_0.gguf", llama_model(7).build());
    folder_.write("models/a/twin/twin.gguf", model);
    folder_.write("models/b/twin/twin.gguf", model);
    folder_.write("models/nomic/embed/embed-Q4_K_M.gguf", bert_model().build());
    folder_.write("bundled/atelier/starter/starter-Q8_0.gguf", model);
    CatalogOptions options;
    options.roots = {{folder_ / "models", false}, {folder_ / "bundled", true}};
    snapshot_ = Catalog(options).refresh();
  }

  std::string found(std::string_view name) const {
    const auto model = snapshot_->resolve(name);
    return model ? (*model)->variant_key() : "no: " + model.error().message;
  }

  TemporaryFolder folder_;
  std::shared_ptr<const CatalogSnapshot> snapshot_;
};

TEST_F(Resolve, FindsKeysAndVariants) {
  EXPECT_EQ(found("qwen3-8b"), "qwen3-8b@q4_k_m");
  EXPECT_EQ(found("qwen3-8b@q8_0"), "qwen3-8b@q8_0");
  EXPECT_EQ(found("qwen3-8b@q4_k_m"), "qwen3-8b@q4_k_m");
  EXPECT_EQ(found("a/twin"), "a/twin@q4_k_m");
  EXPECT_EQ(found("atelier/starter"), "atelier/starter@q8_0");
  EXPECT_EQ(found("text-embedding-embed"), "text-embedding-embed@q4_k_m");
}

TEST_F(Resolve, FindsPathsBelowTheModelsFolder) {
  EXPECT_EQ(found("qwen/Qwen3-8B-GGUF"), "qwen3-8b@q4_k_m");
  EXPECT_EQ(found("qwen/Qwen3-8B-GGUF/Qwen3-8B-Q8_0.gguf"), "qwen3-8b@q8_0");
}

TEST_F(Resolve, IgnoresCase) {
  EXPECT_EQ(found("Qwen3-8B"), "qwen3-8b@q4_k_m");
  EXPECT_EQ(found("QWEN3-8B@Q8_0"), "qwen3-8b@q8_0");
  EXPECT_EQ(found("QWEN/qwen3-8b-gguf/qwen3-8b-q8_0.GGUF"), "qwen3-8b@q8_0");
}

TEST_F(Resolve, FindsTheEndOfOneKeyOnly) {
  EXPECT_EQ(found("starter"), "atelier/starter@q8_0");
  EXPECT_EQ(found("Starter@q8_0"), "atelier/starter@q8_0");
  EXPECT_EQ(found("twin"), "no: 'twin' fits several models: 'a/twin' and 'b/twin'; name one of them");
  EXPECT_THAT(found("tarter"), HasSubstr("there is no model 'tarter'; did you mean 'atelier/starter'"));
}

TEST_F(Resolve, FindsFileNames) {
  EXPECT_EQ(found("Qwen3-8B-Q8_0.gguf"), "qwen3-8b@q8_0");
  EXPECT_EQ(found("qwen3-8b-q8_0"), "qwen3-8b@q8_0");
  EXPECT_EQ(found("embed"), "text-embedding-embed@q4_k_m");
}

TEST_F(Resolve, SuggestsTheNearestKeys) {
  EXPECT_THAT(found("qwen3-8"), HasSubstr("did you mean 'qwen3-8b'"));
  EXPECT_THAT(found("qwen-3-8b"), HasSubstr("did you mean 'qwen3-8b'"));
  EXPECT_EQ(found("entirely-different-name"),
            "no: there is no model 'entirely-different-name'; lms ls shows those that there are");
  const auto unknown = snapshot_->resolve("qwen3-8b@q2_k");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code, ErrorCode::kModelNotFound);
  EXPECT_EQ(unknown.error().param, "model");
}

TEST_F(Resolve, NamesAreLookedUpAndNeverOpened) {
  for (const char* name :
       {"", "/", "..", "../../etc/passwd", "/etc/passwd", "@", "@q8_0", "qwen3-8b@", "\xff\xfe", "a/../a/twin"}) {
    EXPECT_FALSE(snapshot_->resolve(name)) << name;
  }
  EXPECT_FALSE(snapshot_->resolve(std::string("qwen3-8b\0", 9)));
  EXPECT_FALSE(snapshot_->resolve(std::string(1'000'000, 'x')));
}

TEST(ResolveNothing, SaysThatThereAreNoModels) {
  const CatalogSnapshot empty({}, {}, {});
  const auto model = empty.resolve("x");
  ASSERT_FALSE(model);
  EXPECT_THAT(model.error().message, HasSubstr("no models are on disk yet"));
}

}  // namespace
}  // namespace atelier::models
