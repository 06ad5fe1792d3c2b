package org.peftjava.transformers.checkpoint;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.peftjava.transformers.config.InvalidFileException;
import org.peftjava.transformers.config.PythonJson;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A repository's README.md: front matter (YAML between two lines of dashes) and text. What is not
 * set stays as it was, character for character, comments too.
 *
 * <p>Reference: {@code huggingface_hub/repocard.py::RepoCard}.
 */
public final class RepoCard {
  /** The card's name in a repository. */
  public static final String FILE_NAME = "README.md";

  private static final Logger LOG = LoggerFactory.getLogger(RepoCard.class);
  private static final long MAX_BYTES = 16L << 20;
  private static final String TAGS = "tags";

  /** As the hub finds the front matter; group 1 is what is between the dashes. */
  private static final Pattern FRONT =
      Pattern.compile(
          "\\A\\s*---(?:\\r\\n|\\r|\\n)([\\s\\S]*?)(?:\\r\\n|\\r|\\n)---[ \\t]*(?:\\r\\n|\\n|\\z)");

  private static final Pattern KEY =
      Pattern.compile("([\\p{L}\\p{N}_][^:#]*|'[^']*'|\"[^\"]*\"):(?:\\s(.*))?");

  /** A key with its lines, or lines without a key: comments. */
  private record Entry(String key, String value, List<String> lines) {
    boolean hasValue() {
      String plain = value.strip();
      return lines.size() > 1
          || !(plain.isEmpty()
              || plain.equals("null")
              || plain.equals("~")
              || plain.startsWith("#"));
    }
  }

  private final List<Entry> entries;
  private final String lineEnd;
  private String body;

  private RepoCard(List<Entry> entries, String lineEnd, String body) {
    this.entries = entries;
    this.lineEnd = lineEnd;
    this.body = body;
  }

  /** A card without front matter. */
  public static RepoCard ofBody(String body) {
    return new RepoCard(new ArrayList<>(), "\n", body);
  }

  /**
   * The card of a folder, if it has one.
   *
   * @throws InvalidFileException if its front matter is no list of keys and values
   */
  public static Optional<RepoCard> load(Path folder) {
    Path file = folder.resolve(FILE_NAME);
    return Files.isRegularFile(file)
        ? Optional.of(parse(PythonJson.readText(file, MAX_BYTES), file))
        : Optional.empty();
  }

  private static RepoCard parse(String text, Path file) {
    String lineEnd = text.contains("\r\n") ? "\r\n" : "\n";
    Matcher front = FRONT.matcher(text);
    if (!front.find()) {
      return new RepoCard(new ArrayList<>(), lineEnd, text);
    }
    List<Entry> entries = new ArrayList<>();
    for (String line : front.group(1).lines().toList()) {
      Matcher key = KEY.matcher(line);
      boolean comment = line.isBlank() || line.startsWith("#");
      if (key.matches()) {
        String value = key.group(2) == null ? "" : key.group(2);
        String name = key.group(1).strip().replaceAll("^['\"]|['\"]$", "");
        entries.add(new Entry(name, value, new ArrayList<>(List.of(line))));
      } else if (comment && (entries.isEmpty() || line.startsWith("#"))) {
        entries.add(new Entry("", "", new ArrayList<>(List.of(line))));
      } else if (entries.isEmpty() || (isKeyless(entries) && !comment)) {
        throw new InvalidFileException(
            file,
            "has front matter that is no list of lines \"key: value\": \""
                + line.substring(0, Math.min(line.length(), 100))
                + "\". Write it so, or remove it.");
      } else {
        entries.get(entries.size() - 1).lines().add(line);
      }
    }
    return new RepoCard(entries, lineEnd, text.substring(front.end()));
  }

  private static boolean isKeyless(List<Entry> entries) {
    return entries.stream().allMatch(entry -> entry.key().isEmpty());
  }

  /** Whether a key is there and has a value. */
  public boolean has(String key) {
    return entries.stream().anyMatch(entry -> entry.key().equals(key) && entry.hasValue());
  }

  /** Sets a text, in its old place if it has one. */
  public void put(String key, String value) {
    String text = YamlText.of(value);
    put(new Entry(key, text, List.of(key + ": " + text)));
  }

  private void put(Entry entry) {
    for (int i = 0; i < entries.size(); i++) {
      if (entries.get(i).key().equals(entry.key())) {
        entries.set(i, entry);
        return;
      }
    }
    entries.add(entry);
  }

  /**
   * Sets the tags: these, and those that are there and do not give way to them.
   *
   * @param givesWay whether a tag that is there is left out
   * @param sorted whether the result is sorted; else new ones come last
   */
  public void putTags(List<String> tags, Predicate<String> givesWay, boolean sorted) {
    Optional<List<String>> present = tags();
    if (present.isEmpty()) {
      LOG.warn(
          "The tags of {} are written in a way that is not understood; left as they are.",
          FILE_NAME);
      return;
    }
    List<String> all = new ArrayList<>(present.get());
    all.removeIf(givesWay);
    all.addAll(tags);
    List<String> result =
        (sorted ? all.stream().distinct().sorted() : all.stream().distinct()).toList();
    if (!result.equals(present.get()) || !hasKey(TAGS)) {
      List<String> lines = new ArrayList<>(List.of(result.isEmpty() ? "tags: []" : "tags:"));
      result.forEach(tag -> lines.add("- " + YamlText.of(tag)));
      put(new Entry(TAGS, "", lines));
    }
  }

  private boolean hasKey(String key) {
    return entries.stream().anyMatch(entry -> entry.key().equals(key));
  }

  private Optional<List<String>> tags() {
    return entries.stream()
        .filter(entry -> entry.key().equals(TAGS))
        .findFirst()
        .map(
            entry ->
                entry.hasValue()
                    ? YamlItems.read(entry.value(), entry.lines().subList(1, entry.lines().size()))
                    : Optional.of(List.<String>of()))
        .orElse(Optional.of(List.of()));
  }

  /** The text below the front matter, in lines. */
  public List<String> bodyLines() {
    return new ArrayList<>(body.lines().toList());
  }

  /** Replaces the text; its last line is not ended. */
  public void bodyLines(List<String> lines) {
    body = String.join(lineEnd, lines);
  }

  /** Writes the card into a folder. */
  public void save(Path folder) {
    AtomicFiles.write(folder.resolve(FILE_NAME), toString().getBytes(StandardCharsets.UTF_8));
  }

  /** The whole file. */
  @Override
  public String toString() {
    List<String> front = new ArrayList<>(List.of("---"));
    entries.forEach(entry -> front.addAll(entry.lines()));
    front.add("---");
    return String.join(lineEnd, front) + lineEnd + body;
  }
}
