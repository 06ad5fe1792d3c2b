package org.peftjava.transformers.tokenizer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.peftjava.transformers.AutoTokenizer;

/** Tokenizers in a few lines of text, right and wrong. */
class TokenizerFilesTest {
  private static final String VOCAB =
      "{'a':0,'b':1,'ab':2,'c':3,'\u0120':4,'<|endoftext|>':5,'<s>':6}";
  private static final String MERGES = "#version: 0.2\na b\n";

  @TempDir Path folder;

  @Test
  void defaultsAreThoseOfGpt2() throws IOException {
    write(VOCAB, MERGES, "{}");
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(folder)) {
      assertArrayEquals(new long[] {2, 3, 5, 0}, tokenizer.encodeIds("abc<|endoftext|>a"));
      assertEquals(OptionalLong.of(5), tokenizer.eosTokenId());
      assertEquals(OptionalLong.empty(), tokenizer.padTokenId());
      assertArrayEquals(new long[][] {{2}, {3}}, tokenizer.encode("ab", "c").inputIds());
      String message =
          assertThrows(IllegalStateException.class, () -> tokenizer.encode("a", "aa")).getMessage();
      assertTrue(message.contains("padding token"), message);
    }
  }

  @Test
  void theConfigDecidesWhatSurroundsAText() throws IOException {
    write(
        VOCAB,
        MERGES,
        "{'add_bos_token':true,'bos_token':'<s>','add_eos_token':true,'add_prefix_space':true,"
            + "'pad_token':{'content':'<pad>'},'truncation_side':'left','model_max_length':3}");
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(folder)) {
      assertArrayEquals(new long[] {6, 4, 2, 3, 5}, tokenizer.encodeIds("abc"));
      assertArrayEquals(new long[] {6, 3, 5}, tokenizer.encodeIds("abc", o -> o.truncation(true)));
      assertEquals(OptionalLong.of(7), tokenizer.padTokenId()); // new: after the last
      assertEquals(7, tokenizer.vocabSize());
      assertEquals(8, tokenizer.length());
      TokenizerTest.assertMessage(
          () -> tokenizer.encodeIds("abc", o -> o.truncation(true).maxLength(1)),
          "special tokens alone are 2");
    }
  }

  @Test
  void specialTokensMapOverrulesTheConfig() throws IOException {
    write(VOCAB, MERGES, "{'eos_token':'c'}");
    Files.writeString(folder.resolve("special_tokens_map.json"), json("{'eos_token':'<s>'}"));
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(folder)) {
      assertEquals(OptionalLong.of(6), tokenizer.eosTokenId());
      tokenizer.savePretrained(folder);
    }
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(folder)) {
      assertEquals(OptionalLong.of(6), tokenizer.eosTokenId());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "[1] | a b | {} | vocab.json: is not a JSON object",
        "{'a':'x'} | a b | {} | id \"x\"",
        "{'a':-1} | a b | {} | id -1",
        "{'a':1.5} | a b | {} | id 1.5",
        "{'a':99999999999} | a b | {} | id 99999999999",
        "{'a':0 | a b | {} | vocab.json: is not valid JSON",
        "{'a':0,'b':1,'ab':2} | a b c | {} | in line 1; expected two tokens",
        "{'a':0,'b':1,'ab':2} | ab | {} | in line 1; expected two tokens",
        "{'a':0,'b':1} | a b | {} | \"ab\" in line 1, which vocab.json does not have",
        "{'a':0,'b':1,'ab':2} | a b | [] | tokenizer_config.json: holds a JSON list",
        "{'a':0,'b':1,'ab':2} | a b | {'tokenizer_class':'BertTokenizer'} | vocab.json can be read"
            + " for [GPT2Tokenizer",
        "{'a':0,'b':1,'ab':2} | a b | {'bos_token':7} | expected a token",
        "{'a':0,'b':1,'ab':2} | a b | {'bos_token':{'x':1}} | expected a token",
        "{'a':0,'b':1,'ab':2} | a b | {'padding_side':'up'} | \"left\" or \"right\"",
      })
  void rejectsBrokenFiles(String vocab, String merges, String config, String problem)
      throws IOException {
    write(vocab, merges, config);
    String message =
        assertThrows(RuntimeException.class, () -> AutoTokenizer.fromPretrained(folder))
            .getMessage();
    assertTrue(message.contains(problem) && message.contains(folder.toString()), message);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      value = {
        "[] | is not a JSON object",
        "{} | has no vocabulary",
        "{'model':{'type':'BPE','vocab':{'a':0},'merges':[['a','z']]}} | cannot be used",
        "{'model':{'type':'Nonsense','vocab':{'a':0}}} | cannot be used",
        "{'model':{'type':'BPE','vocab':{'a':0},'merges':[]},'added_tokens':[{'id':'x'}]} | id"
            + " \"x\"",
        "{'model':{'type':'BPE','vocab':{'a':0},'merges':[]},'pre_tokenizer':{'type':'Split','pattern':{'Regex':'(('},'behavior':'Isolated','invert':false}}"
            + " | cannot be used",
      })
  void rejectsBrokenTokenizerJson(String text, String problem) throws IOException {
    Files.writeString(folder.resolve("tokenizer.json"), json(text));
    String message =
        assertThrows(RuntimeException.class, () -> AutoTokenizer.fromPretrained(folder))
            .getMessage();
    assertTrue(message.contains(problem) && message.contains(folder.toString()), message);
  }

  /** Truncation and padding that a file asks for are the caller's business. */
  @Test
  void ignoresTruncationAndPaddingOfTheFile() throws IOException {
    Files.writeString(
        folder.resolve("tokenizer.json"),
        json(
            "{'truncation':{'direction':'Right','max_length':1,'strategy':'LongestFirst','stride':0},"
                + "'padding':{'strategy':{'Fixed':9},'direction':'Right','pad_to_multiple_of':null,"
                + "'pad_id':0,'pad_type_id':0,'pad_token':'a'},"
                + "'model':{'type':'BPE','vocab':{'a':0,'b':1},'merges':[]}}"));
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(folder)) {
      assertArrayEquals(new long[] {0, 1, 1}, tokenizer.encodeIds("abb"));
    }
  }

  @Test
  void saysWhereATokenizerShouldBe() throws IOException {
    String empty =
        assertThrows(RuntimeException.class, () -> AutoTokenizer.fromPretrained(folder))
            .getMessage();
    assertTrue(empty.contains("tokenizer.json") && empty.contains("merges.txt"), empty);
    for (String id : List.of("facebook/opt-125m", "no such folder", "", "a\u0000b")) {
      TokenizerTest.assertMessage(() -> AutoTokenizer.fromPretrained(id), "folder");
    }
    TokenizerTest.assertMessage(
        () -> AutoTokenizer.fromPretrained("facebook/opt-125m"), "HF_HUB_OFFLINE");
    write(VOCAB, MERGES, "{}");
    TokenizerTest.assertMessage(
        () -> AutoTokenizer.fromPretrained(folder, o -> o.padToken("nope")), "\"nope\" is not in");
  }

  private void write(String vocab, String merges, String config) throws IOException {
    Files.writeString(folder.resolve("vocab.json"), json(vocab));
    Files.writeString(folder.resolve("merges.txt"), merges);
    Files.writeString(folder.resolve("tokenizer_config.json"), json(config));
  }

  private static String json(String text) {
    return text.replace('\'', '"');
  }
}
