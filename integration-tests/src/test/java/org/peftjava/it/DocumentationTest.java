package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.peftjava.torch.DType;
import org.peftjava.transformers.AutoConfig;
import org.peftjava.transformers.AutoModel;
import org.peftjava.transformers.AutoModelForSeq2SeqLM;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.PretrainedModel;
import org.peftjava.transformers.config.ConfigJson;
import org.peftjava.transformers.config.PretrainedConfig;
import org.peftjava.transformers.tokenizer.Tokenizer;

/**
 * The pages say what compiles and runs: their blocks, on tiny models in the place of those that
 * they name. The blocks of docs/custom-models.md are those of {@link CustomModelIT}.
 */
@ExtendWith(NoLeaks.class)
class DocumentationTest {
  private static final Path GUIDE = Path.of("../docs/from-python.md");
  private static final Pattern BASE = Pattern.compile("\\bbase\\b"); // such a block wraps it itself
  private static final int TOKENS = 340;
  private static final List<String> MODELS =
      List.of("facebook/opt-350m", "FacebookAI/roberta-base", "google/flan-t5-small");
  private static final List<String> OUTPUTS =
      List.of("your-name/opt-350m-lora", "\"out\"", "\"merged\"", "train.jsonl");

  @TempDir private Path folder;

  @BeforeEach
  void makeTheHubLocal() throws Exception {
    save(
        TinyOpt.model(TinyOpt.config().vocabSize(TOKENS).maxPositionEmbeddings(128)),
        MODELS.get(0));
    save(AutoModel.fromConfig(tiny("heads_roberta/base"), DType.FLOAT32), MODELS.get(1));
    save(AutoModelForSeq2SeqLM.fromConfig(tiny("t5_v11/model"), DType.FLOAT32), MODELS.get(2));
    Files.writeString(
        folder.resolve("train.jsonl"),
        "{\"text\": \"Mix the flour with the sugar\"}\n".repeat(8),
        StandardCharsets.UTF_8);
  }

  private static PretrainedConfig tiny(String golden) {
    return AutoConfig.of(
        ConfigJson.read(Golden.ROOT.resolve(golden).resolve("config.json"))
            .with("vocab_size", TOKENS)
            .with("max_position_embeddings", 128));
  }

  private void save(PretrainedModel model, String name) throws Exception {
    Path target = folder.resolve(name);
    try (model;
        Tokenizer tokenizer = AutoTokenizer.fromPretrained(Golden.ROOT.resolve("tokenizer/fast"))) {
      model.savePretrained(target);
      tokenizer.savePretrained(target);
    }
  }

  /** A block with the names of models and folders turned into those of this test. */
  private String local(String block) {
    String result = block;
    for (String name : MODELS) {
      result = result.replace(name, folder.resolve(name).toString());
    }
    for (String name : OUTPUTS) {
      String bare = name.replace("\"", "");
      result =
          result.replace(
              name.equals(bare) ? "\"" + name + "\"" : name, "\"" + folder.resolve(bare) + "\"");
    }
    return result;
  }

  @Test
  void theBlocksOfTheGuideRunOneAfterTheOther() throws Exception {
    List<String> blocks = DocumentedCode.blocks(GUIDE);
    assertEquals("", DocumentedCode.compile(blocks.stream().map(this::local).toList(), folder));
    assertTrue(blocks.size() >= 18, blocks.size() + " blocks");
    PrintStream before = System.out;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    try (URLClassLoader classes = DocumentedCode.classes(folder);
        PrintStream here = new PrintStream(said, true, StandardCharsets.UTF_8)) {
      System.setOut(here);
      for (int i = 0; i < blocks.size(); i++) {
        if (blocks.get(i).contains("pushToHub")) {
          continue; // compiled only: AdapterHubIT and PushToHubTest push
        }
        boolean adapted = !BASE.matcher(blocks.get(i)).find();
        Class<?> type = classes.loadClass("Block" + i);
        try (Snippet snippet =
            (Snippet)
                type.getConstructor(Path.class, boolean.class)
                    .newInstance(folder.resolve(MODELS.get(0)), adapted)) {
          snippet.run();
        } catch (Exception e) {
          throw new AssertionError("Block " + i + ":\n" + blocks.get(i), e);
        }
      }
    } finally {
      System.setOut(before);
    }
    String text = said.toString(StandardCharsets.UTF_8);
    assertTrue(text.contains("trainable params: "), text);
    assertTrue(text.contains("eval_accuracy="), text);
    assertTrue(Files.isRegularFile(folder.resolve("your-name/opt-350m-lora/adapter_config.json")));
    assertTrue(Files.isRegularFile(folder.resolve("merged/config.json")));
  }

  @Test
  void theBlocksOfTheReadmeCompile() throws Exception {
    List<String> blocks =
        DocumentedCode.blocks(Path.of("../README.md")).stream()
            .map(block -> block.replace("{ ... }", "{}"))
            .toList();
    assertTrue(blocks.size() >= 2, blocks.size() + " blocks");
    assertEquals("", DocumentedCode.compile(blocks, folder));
  }
}
