package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/** A table of texts, each wrapped in its column. */
final class SideBySide {
  private static final int FIRST_WIDTH = 14;
  private static final int WIDTH = 32;

  private final List<String> headings;

  SideBySide(List<String> headings) {
    this.headings = List.copyOf(headings);
  }

  /** Prints the columns, which have one text for each row. */
  @SafeVarargs
  final void print(PrintWriter out, List<String>... columns) {
    out.println();
    row(out, headings);
    out.println("-".repeat(FIRST_WIDTH + (headings.size() - 1) * (WIDTH + 2)));
    for (int row = 0; row < columns[0].size(); row++) {
      List<String> cells = new ArrayList<>();
      for (List<String> column : columns) {
        cells.add(column.get(row));
      }
      row(out, cells);
      out.println();
    }
    out.flush();
  }

  private static void row(PrintWriter out, List<String> cells) {
    List<List<String>> wrapped = new ArrayList<>();
    for (int i = 0; i < cells.size(); i++) {
      wrapped.add(wrap(cells.get(i), width(i)));
    }
    int height = wrapped.stream().mapToInt(List::size).max().orElse(0);
    for (int y = 0; y < height; y++) {
      StringBuilder text = new StringBuilder();
      for (int i = 0; i < wrapped.size(); i++) {
        String part = y < wrapped.get(i).size() ? wrapped.get(i).get(y) : "";
        text.append(part).append(" ".repeat(width(i) + 2 - part.length()));
      }
      out.println(text.toString().stripTrailing());
    }
  }

  private static int width(int column) {
    return column == 0 ? FIRST_WIDTH : WIDTH;
  }

  /** Lines of at most this width; a longer word is cut. */
  static List<String> wrap(String text, int width) {
    List<String> lines = new ArrayList<>();
    StringBuilder current = new StringBuilder();
    for (String word : text.strip().split("\\s+", -1)) {
      String rest = word;
      if (!current.isEmpty() && current.length() + 1 + rest.length() > width) {
        lines.add(current.toString());
        current.setLength(0);
      }
      while (rest.length() > width) {
        lines.add(rest.substring(0, width));
        rest = rest.substring(width);
      }
      current.append(current.isEmpty() ? "" : " ").append(rest);
    }
    lines.add(current.toString());
    return lines;
  }
}
