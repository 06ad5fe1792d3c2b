package org.peftjava.it;

import java.io.IOException;
import java.io.StringWriter;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;

/** The Java blocks of a page, as classes: what is typed there, with all packages imported. */
final class DocumentedCode {
  private static final Pattern BLOCK = Pattern.compile("```java\n(.*?)```", Pattern.DOTALL);
  private static final List<String> IMPORTS =
      List.of(
          "java.nio.file",
          "java.util",
          "org.peftjava.peft",
          "org.peftjava.peft.optimizers",
          "org.peftjava.peft.tuner",
          "org.peftjava.peft.tuner.lora",
          "org.peftjava.peft.tuner.prefixtuning",
          "org.peftjava.peft.tuner.prompttuning",
          "org.peftjava.peft.tuner.ptuning",
          "org.peftjava.quant.bnb",
          "org.peftjava.torch",
          "org.peftjava.torch.optim",
          "org.peftjava.transformers",
          "org.peftjava.transformers.generation",
          "org.peftjava.transformers.tokenizer",
          "org.peftjava.transformers.training");

  private DocumentedCode() {}

  /** The blocks, in the page's order. */
  static List<String> blocks(Path page) throws IOException {
    List<String> result = new ArrayList<>();
    Matcher block = BLOCK.matcher(Files.readString(page));
    while (block.find()) {
      result.add(block.group(1));
    }
    return result;
  }

  /**
   * Compiles blocks into a folder, as classes Block0, Block1 and so on; a block is the body of
   * {@code run}.
   *
   * @return what the compiler complains about
   */
  static String compile(List<String> blocks, Path folder) throws IOException {
    List<Path> sources = new ArrayList<>();
    for (int i = 0; i < blocks.size(); i++) {
      StringBuilder source = new StringBuilder();
      IMPORTS.forEach(name -> source.append("import ").append(name).append(".*;\n"));
      source
          .append("public final class Block" + i + " extends org.peftjava.it.Snippet {\n")
          .append(
              "public Block" + i + "(Path folder, boolean adapted) { super(folder, adapted); }\n")
          .append("@Override public void run() throws Exception {\n")
          .append(blocks.get(i))
          .append("}\n}\n");
      Path file = folder.resolve("Block" + i + ".java");
      Files.writeString(file, source);
      sources.add(file);
    }
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    StringWriter complaints = new StringWriter();
    try (StandardJavaFileManager files = compiler.getStandardFileManager(null, null, null)) {
      boolean compiles =
          compiler
              .getTask(
                  complaints,
                  files,
                  null,
                  List.of(
                      "-d",
                      folder.toString(),
                      "-proc:none",
                      "-nowarn",
                      "-cp",
                      System.getProperty("java.class.path")),
                  null,
                  files.getJavaFileObjectsFromPaths(sources))
              .call();
      return compiles ? "" : complaints.toString();
    }
  }

  /** The classes that {@link #compile} has written. */
  static URLClassLoader classes(Path folder) throws IOException {
    return new URLClassLoader(
        new URL[] {folder.toUri().toURL()}, DocumentedCode.class.getClassLoader());
  }
}
