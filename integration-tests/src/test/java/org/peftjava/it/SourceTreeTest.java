package org.peftjava.it;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * Rules that only the source files show: lengths, imports, null-markedness, tests that skip
 * themselves.
 */
class SourceTreeTest {
  private static final int MAX_LINES = 300;
  private static final Path ROOT = root();
  private static final Path LONG_FILES = ROOT.resolve("docs/decisions/long-files.md");
  private static final Pattern LONG_FILES_ROW = Pattern.compile("\\| `([^`]+)` \\| *(.*?) *\\|");

  private static final Pattern WILDCARD_OF_LIBTORCH =
      Pattern.compile("^import (static )?org\\.bytedeco\\..*\\*;", Pattern.MULTILINE);

  private static final Pattern SKIPS_ITSELF =
      Pattern.compile("@(Dis|En)abled[A-Z(\\s]|\\bAssumption[s]\\b|Test[A]borted");

  private static final List<String> MODULES =
      List.of("bindings", "quantization", "transformers-lite", "peft-java", "integration-tests");

  @Test
  void filesAreShortOrListedWithAReason() {
    Map<String, String> listed = longFiles();
    Set<String> tooLong =
        sources(".java", ".cpp", ".h", ".inl", ".cu").stream()
            .filter(file -> text(file).lines().count() > MAX_LINES)
            .map(SourceTreeTest::name)
            .collect(Collectors.toCollection(TreeSet::new));

    assertEquals(
        tooLong,
        new TreeSet<>(listed.keySet()),
        ("Files over %d lines (left) are not those in %s (right). Split a long file, or give the"
                + " reason why it is one thing; remove rows that no longer apply.")
            .formatted(MAX_LINES, name(LONG_FILES)));
    listed.forEach((file, reason) -> assertFalse(reason.isBlank(), file + " needs a reason"));
  }

  @Test
  void libtorchIsImportedByName() {
    assertNoMatch(
        WILDCARD_OF_LIBTORCH,
        sources(".java"),
        "import libtorch's types one by one: it has a Module, a Future and a Node of its own");
  }

  @Test
  void noTestSkipsItself() {
    assertNoMatch(
        SKIPS_ITSELF,
        sources(".java"),
        "a skipped test looks like a passed one; tag a test that needs an NVIDIA card as gpu");
  }

  @Test
  void everyPackageIsNullMarked() {
    Set<String> unmarked =
        sources(".java").stream()
            .map(Path::getParent)
            .filter(folder -> !isTestOfMainPackage(folder))
            .filter(folder -> !isNullMarked(folder.resolve("package-info.java")))
            .map(SourceTreeTest::name)
            .collect(Collectors.toCollection(TreeSet::new));

    assertEquals(Set.of(), unmarked, "these folders need a package-info.java with @NullMarked");
  }

  @Test
  void noPackageIsSplitOverModules() {
    Map<String, String> owners = new HashMap<>();
    Set<String> split = new HashSet<>();
    for (Path file : sources(".java")) {
      String name = name(file);
      int at = name.indexOf("/src/main/java/");
      if (at >= 0) {
        String module = name.substring(0, at);
        String folder = name(file.getParent()).substring(at);
        if (!module.equals(owners.merge(folder, module, (first, second) -> first))) {
          split.add(folder);
        }
      }
    }

    assertFalse(owners.isEmpty());
    assertEquals(Set.of(), split, "these packages have classes in two modules");
  }

  private static void assertNoMatch(Pattern forbidden, List<Path> files, String message) {
    List<String> found =
        files.stream()
            .flatMap(
                file -> {
                  Matcher matcher = forbidden.matcher(text(file));
                  return matcher.find()
                      ? Stream.of(name(file) + ": " + matcher.group().strip())
                      : Stream.of();
                })
            .toList();
    assertEquals(List.of(), found, message);
  }

  private static boolean isTestOfMainPackage(Path folder) {
    return Files.isDirectory(
            Path.of(folder.toString().replace("/src/test/java/", "/src/main/java/")))
        && name(folder).contains("/src/test/java/");
  }

  private static boolean isNullMarked(Path packageInfo) {
    return Files.exists(packageInfo) && text(packageInfo).contains("@NullMarked");
  }

  private static Map<String, String> longFiles() {
    return text(LONG_FILES)
        .lines()
        .map(LONG_FILES_ROW::matcher)
        .filter(Matcher::matches)
        .collect(Collectors.toMap(row -> row.group(1), row -> row.group(2)));
  }

  /** All files below a module's {@code src} that end in one of the suffixes, sorted. */
  private static List<Path> sources(String... suffixes) {
    List<Path> found =
        MODULES.stream()
            .flatMap(module -> walk(ROOT.resolve(module).resolve("src")))
            .filter(file -> Arrays.stream(suffixes).anyMatch(file.toString()::endsWith))
            .sorted()
            .toList();
    assertTrue(found.size() > MODULES.size(), () -> "only " + found + " found below " + ROOT);
    return found;
  }

  private static Stream<Path> walk(Path folder) {
    try (Stream<Path> files = Files.walk(folder)) {
      return files.filter(Files::isRegularFile).toList().stream();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String text(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String name(Path file) {
    return ROOT.relativize(file).toString().replace('\\', '/');
  }

  /**
   * The folder with {@code .mvn}: Maven runs tests in the module's folder, an IDE maybe elsewhere.
   */
  private static Path root() {
    Path folder = Path.of("").toAbsolutePath();
    while (folder != null && !Files.isDirectory(folder.resolve(".mvn"))) {
      folder = folder.getParent();
    }
    if (folder == null) {
      throw new IllegalStateException("no .mvn above " + Path.of("").toAbsolutePath());
    }
    return folder;
  }
}
