package org.peftjava.peft.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.peftjava.transformers.AutoTokenizer;
import org.peftjava.transformers.tokenizer.Tokenizer;
import picocli.CommandLine;

/** Texts on their way to the terminal. */
class TextsTest {
  @Test
  void aStreamHoldsBackHalfCharacters() {
    try (Tokenizer tokenizer = AutoTokenizer.fromPretrained(PeftProcess.DEMO.resolve("base"))) {
      long[] prompt = tokenizer.encodeIds("The bee");
      long[] all = tokenizer.encodeIds("The bee \uD83D\uDC1D flew");
      StringWriter text = new StringWriter();
      TextStream stream = new TextStream(tokenizer, prompt, false, new PrintWriter(text));
      List<String> seen = new ArrayList<>();
      for (int i = prompt.length; i < all.length; i++) {
        stream.add((int) all[i]);
        seen.add(text.toString());
      }
      stream.finish();
      assertEquals(List.of(), seen.stream().filter(part -> part.contains("\uFFFD")).toList());
      assertEquals(" \uD83D\uDC1D flew", text.toString().stripTrailing());
    }
  }

  @Test
  void tableCellsAreWrappedBetweenWords() {
    assertEquals(List.of("to be or", "not"), SideBySide.wrap("to be or not", 8));
    assertEquals(List.of("abcd", "ef g"), SideBySide.wrap("abcdef g", 4));
    assertEquals(List.of(""), SideBySide.wrap("", 4));
  }

  @Test
  void adviceForJavaBecomesAdviceForTheShell() {
    OptionNames names = new OptionNames(new CommandLine(new TrainCommand()).getCommandSpec());
    assertEquals(
        "Lower --learning-rate, or set --packing. Name it with --text-field.",
        names.in("Lower learningRate, or set packing(true). Name it with textField(…)."));
    assertEquals("Set --no-append-eos-token.", names.in("Set appendEosToken(false)."));
    assertEquals("no option: maxPositions", names.in("no option: maxPositions"));
    assertEquals("the model folder /a/max_length", names.in("the model folder /a/max_length"));
  }
}
