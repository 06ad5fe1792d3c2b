package org.peftjava.transformers.training;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.MissingNode;
import com.google.common.primitives.Longs;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Turns texts and files of texts into training sequences. */
final class Tokenization {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final TextEncoder tokenizer;
  private final DatasetOptions options;
  private final List<Example> examples = new ArrayList<>();

  Tokenization(TextEncoder tokenizer, DatasetOptions options) {
    this.tokenizer = tokenizer;
    this.options = options;
    if (options.appendEosToken() && tokenizer.eos().isEmpty()) {
      throw new IllegalArgumentException(
          "This tokenizer has no end-of-sequence token to append. Set appendEosToken(false).");
    }
  }

  List<Example> ofTexts(List<String> texts) {
    for (int i = 0; i < texts.size(); i++) {
      add("Text " + i, plain(texts.get(i)));
    }
    return finished();
  }

  List<Example> ofFile(Path file) {
    String packed = file.toString();
    String name =
        packed.endsWith(Utf8Lines.PACKED)
            ? packed.substring(0, packed.length() - Utf8Lines.PACKED.length())
            : packed;
    boolean json = name.endsWith(".jsonl") || name.endsWith(".json");
    List<String> lines = Utf8Lines.read(file);
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i);
      if (!line.isBlank()) {
        String site = file + ", line " + (i + 1);
        add(site, json ? ofJson(site, line) : plain(line));
      }
    }
    return finished();
  }

  private Example ofJson(String site, String line) {
    JsonNode node;
    try {
      node = JSON.readTree(line);
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(
          site
              + ": not a JSON object. Expected one object on each line, such as {\"text\": \"…\"}.",
          e);
    }
    Chats chats = new Chats(tokenizer.chat(), site);
    if (node.path(options.promptField()).isArray()
        && node.path(options.completionField()).isArray()) {
      return chats.completion(
          node.path(options.promptField()), node.path(options.completionField()));
    }
    if (node.hasNonNull(options.promptField()) && node.hasNonNull(options.completionField())) {
      long[] prompt = tokenizer.encode().apply(text(site, node, options.promptField()));
      // Special tokens at the start belong to the prompt only.
      long[] completion =
          withoutBos(tokenizer.encode().apply(text(site, node, options.completionField())));
      return Example.ofCompletion(prompt, withEos(completion));
    }
    JsonNode messages = node.path(options.messagesField());
    return messages.isArray()
        ? chats.whole(messages)
        : plain(text(site, node, options.textField()));
  }

  private static String text(String site, JsonNode node, String field) {
    JsonNode value = node.isObject() ? node.path(field) : MissingNode.getInstance();
    if (!value.isTextual()) {
      List<String> present = new ArrayList<>();
      node.fieldNames().forEachRemaining(present::add);
      throw new IllegalArgumentException(
          site
              + ": expected a JSON object with a text in field '"
              + field
              + "', found "
              + (node.isObject() ? "fields " + present : node.getNodeType())
              + ". Name the field with textField(…), or promptField(…) and completionField(…), or"
              + " messagesField(…) for a chat.");
    }
    return value.textValue();
  }

  private Example plain(String text) {
    return Example.of(withEos(tokenizer.encode().apply(text)));
  }

  private long[] withoutBos(long[] ids) {
    boolean starts =
        ids.length > 0 && tokenizer.bos().isPresent() && ids[0] == tokenizer.bos().getAsLong();
    return starts ? Arrays.copyOfRange(ids, 1, ids.length) : ids;
  }

  private long[] withEos(long[] ids) {
    if (!options.appendEosToken()) {
      return ids;
    }
    long eos = tokenizer.eos().orElseThrow();
    boolean ends = ids.length > 1 && ids[ids.length - 1] == eos;
    return ends ? ids : Longs.concat(ids, new long[] {eos});
  }

  private void add(String site, Example example) {
    boolean fits = options.maxLength() == 0 || example.length() <= options.maxLength();
    if (!fits && !options.packing() && !options.truncation()) {
      throw new IllegalArgumentException(
          site
              + " has "
              + example.length()
              + " tokens, more than maxLength "
              + options.maxLength()
              + ". Shorten it, set truncation(true) to cut it, or packing(true) to spread it over"
              + " blocks.");
    }
    examples.add(options.packing() || fits ? example : example.truncated(options.maxLength()));
  }

  private List<Example> finished() {
    if (!options.packing() || examples.isEmpty()) {
      return examples;
    }
    long[] ids = Longs.concat(examples.stream().map(Example::inputIds).toArray(long[][]::new));
    long[] labels = Longs.concat(examples.stream().map(Example::labels).toArray(long[][]::new));
    int block = options.maxLength();
    return IntStream.range(0, (ids.length + block - 1) / block)
        .mapToObj(
            i -> {
              int end = Math.min(ids.length, (i + 1) * block);
              return new Example(
                  Arrays.copyOfRange(ids, i * block, end),
                  Arrays.copyOfRange(labels, i * block, end));
            })
        .filter(example -> example.length() > 1)
        .toList();
  }
}
