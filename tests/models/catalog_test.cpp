#include "models/catalog.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/base/faulty_file_system.h"
#include "tests/base/temporary_folder.h"
#include "tests/models/gguf_builder.h"

namespace atelier::models {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A home with a models folder, and a catalog of it.
struct Home {
  TemporaryFolder folder;
  std::filesystem::path models = folder / "models";

  Home() { std::filesystem::create_directories(models); }
  std::filesystem::path add(std::string_view name, const std::string& bytes) const {
    return folder.write("models/" + std::string(name), bytes);
  }
  CatalogOptions options() const {
    CatalogOptions options;
    options.roots = {{models, false}};
    options.cache_file = folder / "cache.json";
    options.selection_file = folder / "selected.json";
    return options;
  }
  std::shared_ptr<const CatalogSnapshot> list() const { return Catalog(options()).refresh(); }
};

std::vector<std::string> keys(const CatalogSnapshot& snapshot) {
  std::vector<std::string> all;
  for (const ModelPtr& model : snapshot.models()) all.push_back(model->key);
  return all;
}

std::vector<std::string> variant_keys(const CatalogSnapshot& snapshot) {
  std::vector<std::string> all;
  for (const ModelPtr& model : snapshot.all_variants()) all.push_back(model->variant_key());
  return all;
}

std::vector<std::string> reasons(const CatalogSnapshot& snapshot) {
  std::vector<std::string> all;
  for (const Problem& problem : snapshot.problems()) {
    all.push_back(problem.path.filename().string() + ": " + problem.reason);
  }
  return all;
}

// As if the file had been there for a while: the catalog believes the time stamps of such files.
void settle(const std::filesystem::path& file) {
  const timespec times[2] = {{1'700'000'000, 0}, {1'700'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
}

TEST(Catalog, ListsAModelWithAllThatIsKnownOfIt) {
  const Home home;
  home.add("someone/Tiny-Model-1B-GGUF/Tiny-Model-1B-Q4_K_M.gguf", llama_model(15, "Tiny Model").build());
  const auto snapshot = home.list();
  ASSERT_THAT(snapshot->models(), SizeIs(1));
  const ModelEntry& model = *snapshot->models()[0];
  EXPECT_EQ(model.key, "tiny-model-1b");
  EXPECT_EQ(model.variant_key(), "tiny-model-1b@q4_k_m");
  EXPECT_THAT(model.variants, IsEmpty());
  EXPECT_EQ(model.publisher, "someone");
  EXPECT_EQ(model.display_name, "Tiny Model");
  EXPECT_EQ(model.type, ModelType::kLlm);
  EXPECT_EQ(model.architecture, "llama");
  EXPECT_EQ(model.quantization.name, "Q4_K_M");
  EXPECT_EQ(model.quantization.bits, 4);
  EXPECT_EQ(model.max_context_length, 4096u);
  EXPECT_EQ(model.embedding_length, 32u);
  EXPECT_EQ(model.relative_path, "someone/Tiny-Model-1B-GGUF/Tiny-Model-1B-Q4_K_M.gguf");
  EXPECT_EQ(model.size_bytes, std::filesystem::file_size(model.path));
  EXPECT_EQ(model.params_string, "1.2K");
  EXPECT_EQ(model.tokenizer.eos.text, "</s>");
  EXPECT_EQ(model.chat_template, "{{ messages }}");
  EXPECT_FALSE(model.bundled);
  EXPECT_THAT(snapshot->problems(), IsEmpty());
}

TEST(Catalog, AnEmptyOrMissingFolderIsAnEmptyList) {
  const Home home;
  EXPECT_THAT(home.list()->models(), IsEmpty());
  std::filesystem::remove(home.models);
  const auto snapshot = home.list();
  EXPECT_THAT(snapshot->models(), IsEmpty());
  EXPECT_THAT(reasons(*snapshot), ElementsAre(HasSubstr("No such file")));
}

TEST(Catalog, TwoModelsOfOneNameAreToldApartByPublisher) {
  const Home home;
  home.add("Alice/model-gguf/a.gguf", llama_model().build());
  home.add("bob/Model/b.gguf", llama_model().build());
  home.add("bob/other/c.gguf", llama_model().build());
  EXPECT_THAT(keys(*home.list()), ElementsAre("alice/model", "bob/model", "other"));
}

TEST(Catalog, BundledModelsAlwaysHaveTheirPublisher) {
  const Home home;
  home.folder.write("bundled/atelier/starter/starter.gguf", llama_model().build());
  home.add("me/starter/x.gguf", llama_model().build());
  CatalogOptions options = home.options();
  options.roots.push_back({home.folder / "bundled", true});
  const auto snapshot = Catalog(options).refresh();
  EXPECT_THAT(keys(*snapshot), ElementsAre("atelier/starter", "starter"));
  EXPECT_TRUE(snapshot->models()[0]->bundled);
}

TEST(Catalog, ABundledEmbeddingModelIsAnEmbeddingModelByItsKey) {
  const Home home;
  home.folder.write("bundled/atelier/starter/starter.gguf", llama_model().build());
  home.folder.write("bundled/atelier/starter-embed/starter-embed.gguf", bert_model().build());
  home.folder.write("bundled/atelier/small/small.gguf", bert_model().build());
  home.add("atelier/starter-embed/x.gguf", bert_model().build());
  CatalogOptions options = home.options();
  options.roots.push_back({home.folder / "bundled", true});
  EXPECT_THAT(keys(*Catalog(options).refresh()),
              ElementsAre("atelier/starter", "text-embedding-atelier-small", "text-embedding-atelier-starter",
                          "text-embedding-starter-embed"));
}

TEST(Catalog, EqualKeysOfEqualPublishersAreNumbered) {
  const Home home;
  home.add("Me/Model/a.gguf", llama_model().build());
  home.add("me/model/b.gguf", llama_model().build());
  EXPECT_THAT(keys(*home.list()), ElementsAre("me/model", "me/model-2"));
}

TEST(Catalog, EmbeddingModelsHaveTheirPrefix) {
  const Home home;
  home.add("nomic/nomic-embed-GGUF/nomic-embed-Q4_K_M.gguf", bert_model().build());
  home.add("x/text-embedding-y/y.gguf", bert_model().build());
  GgufBuilder decoder = llama_model();
  decoder.u32("llama.pooling_type", 3);
  home.add("z/llm-embedder/z.gguf", decoder.build());
  const auto snapshot = home.list();
  EXPECT_THAT(keys(*snapshot),
              ElementsAre("text-embedding-llm-embedder", "text-embedding-nomic-embed", "text-embedding-y"));
  EXPECT_EQ(snapshot->models()[1]->type, ModelType::kEmbedding);
  EXPECT_EQ(snapshot->models()[1]->pooling, 1u);
  EXPECT_FALSE(snapshot->models()[1]->causal);
}

TEST(Catalog, FilesThatDifferOnlyInQuantizationAreVariants) {
  const Home home;
  home.add("p/model/model-Q8_0.gguf", llama_model(7).build());
  home.add("p/model/model-Q4_K_M.gguf", llama_model(15).build());
  home.add("p/model/model-UD-Q4_K_XL.gguf", llama_model(15).build());
  const auto snapshot = home.list();
  EXPECT_THAT(keys(*snapshot), ElementsAre("model"));
  EXPECT_THAT(variant_keys(*snapshot), ElementsAre("model@q4_k_m", "model@q4_k_xl", "model@q8_0"));
  const ModelEntry& selected = *snapshot->models()[0];
  EXPECT_EQ(selected.variant, "q4_k_m");
  EXPECT_EQ(selected.selected_variant, "model@q4_k_m");
  EXPECT_THAT(selected.variants, ElementsAre("model@q4_k_m", "model@q4_k_xl", "model@q8_0"));
  EXPECT_THAT(snapshot->variants_of("model"), SizeIs(3));
}

TEST(Catalog, FilesThatDifferInMoreHaveKeysOfTheirOwn) {
  const Home home;
  home.add("imported-models/uncategorized/Alpha-Q4_K_M.gguf", llama_model(15).build());
  home.add("imported-models/uncategorized/beta-Q4_0.gguf", llama_model(2).build());
  home.add("imported-models/uncategorized/beta-Q8_0.gguf", llama_model(7).build());
  EXPECT_THAT(variant_keys(*home.list()), ElementsAre("alpha-q4_k_m@q4_k_m", "beta@q4_0", "beta@q8_0"));
}

TEST(Catalog, SameNamesWithDifferentShapesAreNoVariants) {
  const Home home;
  home.add("p/m/m-Q4_0.gguf", llama_model(2).build());
  home.add("p/m/m-Q8_0.gguf", llama_model(7).tensor("more", {32}).build());
  EXPECT_THAT(keys(*home.list()), ElementsAre("m-q4_0", "m-q8_0"));
}

TEST(Catalog, VariantsOfOneQuantizationAreNamedByFile) {
  const Home home;
  home.add("p/m/m.gguf", llama_model(15).build());
  home.add("p/m/m-Q4_K_M.gguf", llama_model(15).build());
  home.add("p/m/m-Q8_0.gguf", llama_model(7).build());
  EXPECT_THAT(variant_keys(*home.list()), ElementsAre("m@m", "m@m-q4_k_m", "m@q8_0"));
}

TEST(Catalog, ANameThatContradictsTheFileNamesTheVariantAlone) {
  const Home home;
  home.add("p/m/m-Q8_0.gguf", llama_model(15).build());
  const auto snapshot = home.list();
  EXPECT_THAT(variant_keys(*snapshot), ElementsAre("m@q8_0"));
  EXPECT_EQ(snapshot->models()[0]->quantization.name, "Q4_K_M");
}

TEST(Catalog, QuantizationsInFoldersOfTheirOwnAreVariantsToo) {
  const Home home;
  home.add("p/m/Q4_0/m-Q4_0.gguf", llama_model(2).build());
  home.add("p/m/Q8_0/m-Q8_0.gguf", llama_model(7).build());
  EXPECT_THAT(variant_keys(*home.list()), ElementsAre("m@q4_0", "m@q8_0"));
}

TEST(Catalog, TheChosenVariantIsKept) {
  const Home home;
  home.add("p/m/m-Q4_0.gguf", llama_model(2).build());
  home.add("p/m/m-Q8_0.gguf", llama_model(7).build());
  Catalog catalog(home.options());
  EXPECT_EQ(catalog.refresh()->models()[0]->variant, "q4_0");
  ASSERT_TRUE(catalog.select_variant("m", "Q8_0"));
  EXPECT_EQ(catalog.refresh()->models()[0]->variant, "q8_0");
  EXPECT_EQ(home.list()->models()[0]->variant, "q8_0");
  const auto refused = catalog.select_variant("m", "q2_k");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("it has q4_0, q8_0"));
  std::filesystem::remove(home.models / "p/m/m-Q8_0.gguf");
  EXPECT_EQ(catalog.refresh()->models()[0]->variant, "q4_0");
}

GgufBuilder part_of(std::uint16_t number, std::uint16_t count) {
  GgufBuilder builder;
  if (number == 0) builder = llama_model(15);
  builder.u16("split.no", number).u16("split.count", count).tensor("blk." + std::to_string(number) + ".w", {32, 4});
  return builder;
}

TEST(Catalog, PartsAreOneModel) {
  const Home home;
  std::uint64_t size = 0;
  for (std::uint16_t i = 0; i < 3; ++i) {
    const std::string bytes = part_of(i, 3).build();
    size += bytes.size();
    home.add("p/big/big-Q4_K_M-0000" + std::to_string(i + 1) + "-of-00003.gguf", bytes);
  }
  const auto snapshot = home.list();
  ASSERT_THAT(snapshot->models(), SizeIs(1));
  const ModelEntry& model = *snapshot->models()[0];
  EXPECT_EQ(model.variant_key(), "big@q4_k_m");
  EXPECT_EQ(model.size_bytes, size);
  ASSERT_THAT(model.parts, SizeIs(3));
  EXPECT_EQ(model.path.filename(), "big-Q4_K_M-00001-of-00003.gguf");
  EXPECT_EQ(model.parts[2].path.filename(), "big-Q4_K_M-00003-of-00003.gguf");
  EXPECT_EQ(model.parameters, 32 * 6 + 32 * 32 + 32 + 3 * 128u);
}

TEST(Catalog, AMissingPartIsAProblemWithItsName) {
  const Home home;
  home.add("p/big/big-00001-of-00003.gguf", part_of(0, 3).build());
  home.add("p/big/big-00003-of-00003.gguf", part_of(2, 3).build());
  home.add("p/good/good.gguf", llama_model().build());
  const auto snapshot = home.list();
  EXPECT_THAT(keys(*snapshot), ElementsAre("good"));
  EXPECT_THAT(reasons(*snapshot), ElementsAre(HasSubstr("part 2 of 3 is missing (big-00002-of-00003.gguf)")));
  const auto model = snapshot->resolve("big");
  ASSERT_FALSE(model);
  EXPECT_EQ(model.error().code, ErrorCode::kModelLoadFailed);
  EXPECT_THAT(model.error().message, HasSubstr("part 2 of 3 is missing"));
}

TEST(Catalog, PartsUnderWrongNamesAreAProblem) {
  const Home home;
  home.add("p/a/a.gguf", part_of(1, 3).build());
  home.add("p/b/b-00001-of-00002.gguf", part_of(1, 2).build());
  home.add("p/b/b-00002-of-00002.gguf", part_of(1, 2).build());
  const auto snapshot = home.list();
  EXPECT_THAT(snapshot->models(), IsEmpty());
  EXPECT_THAT(reasons(*snapshot), ElementsAre(HasSubstr("it is part 2 of 3"), HasSubstr("it is part 2 of 2")));
}

TEST(Catalog, AProjectorMakesItsModelsSee) {
  const Home home;
  home.add("p/vl/vl-7b-Q4_K_M.gguf", llama_model(15).build());
  home.add("p/vl/vl-7b-Q8_0.gguf", llama_model(7).build());
  home.add("p/vl/mmproj-F32.gguf", projector().build());
  home.add("p/vl/mmproj-F16.gguf", projector().build());
  const auto snapshot = home.list();
  EXPECT_THAT(variant_keys(*snapshot), ElementsAre("vl@q4_k_m", "vl@q8_0"));
  for (const ModelPtr& model : snapshot->all_variants()) {
    EXPECT_EQ(model->type, ModelType::kVlm);
    EXPECT_TRUE(model->vision);
    ASSERT_TRUE(model->projector);
    EXPECT_EQ(model->projector->path.filename(), "mmproj-F16.gguf");
    EXPECT_EQ(model->size_bytes, model->parts[0].size_bytes + model->projector->size_bytes);
  }
}

TEST(Catalog, AProjectorGoesToTheModelThatItNames) {
  const Home home;
  home.add("p/mixed/alpha-Q4_0.gguf", llama_model(2).build());
  home.add("p/mixed/beta-Q4_0.gguf", llama_model(2).tensor("x", {1}).build());
  home.add("p/mixed/mmproj-alpha.gguf", projector().build());
  const auto snapshot = home.list();
  ASSERT_THAT(keys(*snapshot), ElementsAre("alpha-q4_0", "beta-q4_0"));
  EXPECT_TRUE(snapshot->models()[0]->vision);
  EXPECT_FALSE(snapshot->models()[1]->vision);
}

TEST(Catalog, BrokenFilesAreToldAndHideNothing) {
  const Home home;
  const std::string good = llama_model().build();
  home.add("p/good/good-Q4_K_M.gguf", good);
  home.add("p/good/zero.gguf", "");
  home.add("p/good/good-Q8_0.gguf", good.substr(0, good.size() / 2));
  home.add("p/random/random.gguf", std::string(5'000, '\xa5'));
  home.add("p/vocab/vocab.gguf", GgufBuilder().text("general.architecture", "llama").build());
  home.add("p/adapter/lora.gguf",
           GgufBuilder().text("general.architecture", "llama").text("general.type", "adapter").build());
  home.add("p/nameless/x.gguf", GgufBuilder().tensor("t", {1}).build());
  const auto snapshot = home.list();
  EXPECT_THAT(keys(*snapshot), ElementsAre("good"));
  EXPECT_THAT(
      reasons(*snapshot),
      ElementsAre(HasSubstr("lora.gguf: not a model"), HasSubstr("good-Q8_0.gguf: the file ends"),
                  HasSubstr("zero.gguf: the file is empty"),
                  HasSubstr("x.gguf: the file does not say its architecture"),
                  HasSubstr("random.gguf: this is not a GGUF file"), HasSubstr("vocab.gguf: the file has no weights")));
  EXPECT_THAT(snapshot->broken(), SizeIs(5));
  const auto random = snapshot->resolve("random");
  ASSERT_FALSE(random);
  EXPECT_THAT(random.error().message, HasSubstr("p/random/random.gguf: this is not a GGUF file"));
  EXPECT_TRUE(snapshot->resolve("good"));
}

TEST(Catalog, FilesInTheWrongPlaceAreTold) {
  const Home home;
  home.add("stray.gguf", llama_model().build());
  home.add("publisher/stray.gguf", llama_model().build());
  home.add("publisher/model/.hidden.gguf", llama_model().build());
  home.add("publisher/model/notes.txt", "x");
  const auto snapshot = home.list();
  EXPECT_THAT(snapshot->models(), IsEmpty());
  EXPECT_THAT(reasons(*snapshot), ElementsAre(HasSubstr("PUBLISHER/MODEL/"), HasSubstr("named after the model")));
}

TEST(Catalog, FollowsLinksAndSurvivesCircles) {
  const Home home;
  home.folder.write("elsewhere/real.gguf", llama_model().build());
  std::filesystem::create_directories(home.models / "p/linked");
  std::filesystem::create_symlink(home.folder / "elsewhere/real.gguf", home.models / "p/linked/model.gguf");
  std::filesystem::create_symlink(home.models / "p/linked", home.models / "p/linked/again");
  std::filesystem::create_symlink(home.folder / "nowhere.gguf", home.models / "p/linked/dangling.gguf");
  std::filesystem::create_directory_symlink(home.folder / "elsewhere", home.models / "p/folder");
  ASSERT_EQ(::mkfifo((home.models / "p/linked/pipe.gguf").c_str(), 0600), 0);
  const auto snapshot = home.list();
  EXPECT_THAT(keys(*snapshot), ElementsAre("folder", "linked"));
  EXPECT_THAT(reasons(*snapshot), ElementsAre(HasSubstr("dangling.gguf: the symbolic link leads to nothing"),
                                              HasSubstr("pipe.gguf: not a file")));
}

TEST(Catalog, ReadsModelYaml) {
  const Home home;
  home.add("p/m/m.gguf", llama_model().build());
  home.add("p/m/model.yaml",
           "displayName: My Model\nmetadataOverrides: { trainedForToolUse: true }\n"
           "config: { operation: { temperature: 0.7, what: 1 }, load: { context_length: 2048 } }\n");
  const auto snapshot = home.list();
  ASSERT_THAT(snapshot->models(), SizeIs(1));
  const ModelEntry& model = *snapshot->models()[0];
  EXPECT_EQ(model.display_name, "My Model");
  EXPECT_EQ(model.defaults.sampling.temperature, 0.7);
  EXPECT_EQ(model.defaults.load.context_length, 2048u);
  EXPECT_EQ(model.trained_for_tool_use, true);
  EXPECT_THAT(reasons(*snapshot), ElementsAre(HasSubstr("'what' is not known")));
}

TEST(Catalog, AMalformedModelYamlIsAProblemAndNotAFailure) {
  const Home home;
  home.add("p/m/m.gguf", llama_model().build());
  home.add("p/m/model.yaml", "config: [");
  const auto snapshot = home.list();
  EXPECT_THAT(keys(*snapshot), ElementsAre("m"));
  EXPECT_THAT(reasons(*snapshot), ElementsAre(HasSubstr("model.yaml: not YAML")));
}

TEST(Catalog, ModelYamlDecidesWhetherAModelReasonsUnasked) {
  const Home home;
  home.add("p/m/m.gguf", llama_model().build());
  home.add("p/m/model.yaml", "config: { operation: { enable_thinking: false } }");
  home.add("p/n/n.gguf", llama_model().build());
  home.add("p/n/model.yaml",
           "config: { operation: { reasoning.parsing: { enabled: true, startString: <a>, endString: <b> } } }");
  CatalogOptions options = home.options();
  options.template_facts = [&](const ModelEntry& model) {
    TemplateFacts facts;
    if (model.key == "m") facts.reasoning = ReasoningOptions{{"off", "low", "medium", "high"}, "medium"};
    return facts;
  };
  Catalog catalog(options);
  const auto snapshot = catalog.refresh();
  EXPECT_EQ(snapshot->resolve("m").value()->reasoning->standard, "off");
  EXPECT_EQ(snapshot->resolve("n").value()->reasoning, (ReasoningOptions{{"on"}, "on"}));
}

TEST(Catalog, AsksForTemplateFactsOnceForEachTemplate) {
  const Home home;
  home.add("p/m/m.gguf", llama_model().build());
  home.add("p/e/e.gguf", bert_model().build());
  int asked = 0;
  CatalogOptions options = home.options();
  options.template_facts = [&](const ModelEntry& model) {
    ++asked;
    return TemplateFacts{model.chat_template == "{{ messages }}", ReasoningOptions{{"off", "on"}, "on"}};
  };
  Catalog catalog(options);
  const auto model = catalog.refresh()->resolve("m").value();
  EXPECT_EQ(model->trained_for_tool_use, true);
  EXPECT_EQ(model->reasoning, (ReasoningOptions{{"off", "on"}, "on"}));
  home.add("p/new/new.gguf", llama_model().build());
  catalog.refresh();
  EXPECT_EQ(asked, 2);
}

TEST(Catalog, ReadsOnlyWhatIsNewOrChanged) {
  const Home home;
  const auto a = home.add("p/a/a.gguf", llama_model(15).build());
  settle(a);
  settle(home.add("p/b/b.gguf", "broken"));
  Catalog catalog(home.options());
  const auto first = catalog.refresh();
  EXPECT_EQ(catalog.files_read(), 2u);
  EXPECT_EQ(catalog.refresh(), first);
  EXPECT_EQ(catalog.files_read(), 2u);
  const auto c = home.add("p/c/c.gguf", llama_model().build());
  settle(c);
  EXPECT_THAT(keys(*catalog.refresh()), ElementsAre("a", "c"));
  EXPECT_EQ(catalog.files_read(), 3u);
  std::filesystem::remove(c);
  EXPECT_THAT(keys(*catalog.refresh()), ElementsAre("a"));
  home.add("p/a/a.gguf", llama_model(7, "Changed").build());
  EXPECT_EQ(catalog.refresh()->models()[0]->display_name, "Changed");
  EXPECT_THAT(keys(*first), ElementsAre("a"));
  EXPECT_EQ(first->models()[0]->quantization.name, "Q4_K_M");
}

TEST(Catalog, ARestartReadsNothingThatItKnows) {
  const Home home;
  settle(home.add("p/a/a-Q4_K_M.gguf", llama_model().build()));
  settle(home.add("p/b/b.gguf", bert_model().build()));
  settle(home.add("p/c/c.gguf", "broken"));
  const auto before = home.list();
  Catalog again(home.options());
  const auto after = again.refresh();
  EXPECT_EQ(again.files_read(), 0u);
  EXPECT_EQ(keys(*before), keys(*after));
  EXPECT_EQ(reasons(*before), reasons(*after));
  EXPECT_EQ(before->models()[0]->tokenizer, after->models()[0]->tokenizer);
  EXPECT_EQ(before->models()[0]->cache, after->models()[0]->cache);
}

TEST(Catalog, ADamagedCacheIsReplaced) {
  const Home home;
  settle(home.add("p/a/a.gguf", llama_model().build()));
  for (const char* damaged : {"{", "[]", R"({"format":99,"files":[]})", R"({"format":1,"files":[{"path":1},7,{}]})"}) {
    home.folder.write("cache.json", damaged);
    EXPECT_THAT(keys(*home.list()), ElementsAre("a"));
    Catalog again(home.options());
    again.refresh();
    EXPECT_EQ(again.files_read(), 0u) << damaged;
  }
}

TEST(Catalog, AFileThatChangedThisMomentIsReadAgain) {
  const Home home;
  const std::string good = llama_model().build();
  home.add("p/a/a.gguf", std::string(good.size(), 'x'));
  Catalog catalog(home.options());
  EXPECT_THAT(keys(*catalog.refresh()), IsEmpty());
  // The same size, perhaps within one tick of the file system's clock.
  home.add("p/a/a.gguf", good);
  EXPECT_THAT(keys(*catalog.refresh()), ElementsAre("a"));
}

TEST(Catalog, ACacheThatCannotBeWrittenIsAWarning) {
  const Home home;
  settle(home.add("p/a/a.gguf", llama_model().build()));
  FaultyFileSystem disk;
  disk.fail_at = 1;
  CatalogOptions options = home.options();
  options.system = &disk;
  const auto snapshot = Catalog(options).refresh();
  EXPECT_THAT(keys(*snapshot), ElementsAre("a"));
  EXPECT_THAT(reasons(*snapshot), ElementsAre(HasSubstr("No space left on device")));
}

TEST(Catalog, ADiskThatCannotReadIsAProblemUntilItCan) {
  class BadDisk : public files::FileSystem {
   public:
    bool bad = true;
    int read_at(int descriptor, std::uint64_t offset, char* data, std::size_t size, std::size_t& got) override {
      return bad ? EIO : FileSystem::read_at(descriptor, offset, data, size, got);
    }
  };
  const Home home;
  settle(home.add("p/a/a.gguf", llama_model().build()));
  BadDisk disk;
  CatalogOptions options = home.options();
  options.system = &disk;
  Catalog catalog(options);
  const auto snapshot = catalog.refresh();
  EXPECT_THAT(snapshot->models(), IsEmpty());
  EXPECT_THAT(reasons(*snapshot), ElementsAre(HasSubstr("Input/output error")));
  disk.bad = false;
  EXPECT_THAT(keys(*catalog.refresh()), ElementsAre("a"));
}

TEST(Catalog, KnowsSizesOfMixtures) {
  const Home home;
  GgufBuilder mixture;
  mixture.text("general.architecture", "qwen3moe").u32("qwen3moe.expert_count", 8).u32("qwen3moe.expert_used_count", 2);
  mixture.text("general.size_label", "8x1K").tensor("w", {1000}).tensor("blk.0.ffn_up_exps.weight", {1000, 8});
  home.add("p/mix/mix.gguf", mixture.build());
  home.add("p/mix-30b-a3b/mix.gguf", mixture.build());
  GgufBuilder labelled = llama_model();
  labelled.text("general.size_label", "8B");
  home.add("p/labelled/l.gguf", labelled.build());
  const auto snapshot = home.list();
  EXPECT_EQ(snapshot->resolve("mix").value()->params_string, "9K-A3K");
  EXPECT_EQ(snapshot->resolve("mix-30b-a3b").value()->params_string, "30B-A3B");
  EXPECT_EQ(snapshot->resolve("labelled").value()->params_string, "8B");
}

TEST(Catalog, NamesModelsForPeople) {
  const Home home;
  home.add("p/qwen2.5-7b-instruct-GGUF/x.gguf", llama_model(15, ".").build());
  home.add("p/b/x.gguf", llama_model(15, "Nice Name 7B").build());
  const auto snapshot = home.list();
  EXPECT_EQ(snapshot->resolve("qwen2.5-7b-instruct").value()->display_name, "Qwen2.5 7B Instruct");
  EXPECT_EQ(snapshot->resolve("b").value()->display_name, "Nice Name 7B");
}

TEST(Catalog, TheUsersDefaultsForAModelGoBeforeItsOwn) {
  const Home home;
  home.add("p/m/m.gguf", llama_model(15).build());
  home.add("p/m/model.yaml", "config: { operation: { temperature: 0.7, top_k: 5 } }");
  CatalogOptions options = home.options();
  options.user_defaults_folder = home.folder / "user";
  Catalog catalog(options);
  EXPECT_EQ(catalog.refresh()->models().at(0)->defaults.sampling.temperature, 0.7);

  const auto template_field = [](std::string_view text) {
    return R"({"key": "llm.load.promptTemplate", "value": {"type": "jinja", "jinjaPromptTemplate": {"template": ")" +
           std::string(text) + R"("}}})";
  };
  home.folder.write("user/p/m/m.gguf.json",
                    R"({"operation": {"fields": [{"key": "llm.prediction.temperature", "value": 0.1}]},
                        "load": {"fields": [)" +
                        template_field("{{ user }}") + "]}}");
  const ModelPtr changed = catalog.refresh()->models().at(0);
  EXPECT_EQ(changed->defaults.sampling.temperature, 0.1);
  EXPECT_EQ(changed->defaults.sampling.top_k, 5);
  EXPECT_EQ(changed->chat_template, "{{ user }}");

  home.folder.write("user/p/m/m.gguf.json", "{ broken");
  const auto broken = catalog.refresh();
  EXPECT_THAT(reasons(*broken), ElementsAre(HasSubstr("m.gguf.json: not YAML")));
  EXPECT_EQ(broken->models().at(0)->defaults.sampling.temperature, 0.7);

  std::filesystem::remove(home.folder / "user/p/m/m.gguf.json");
  EXPECT_THAT(catalog.refresh()->problems(), IsEmpty());
}

}  // namespace
}  // namespace atelier::models
