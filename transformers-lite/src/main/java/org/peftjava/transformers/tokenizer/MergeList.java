package org.peftjava.transformers.tokenizer;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The merges of a BPE whose file has only pieces, as SentencePiece models do: every way to make a
 * piece from two others, in the order of the pieces.
 *
 * <p>Reference: transformers {@code tokenization_utils_base.py::generate_merges}.
 */
final class MergeList {
  /** Pieces are ordered by id, then by the lengths of the two parts in characters. */
  private static final Comparator<Merge> ORDER =
      Comparator.comparingInt(Merge::piece)
          .thenComparingInt(Merge::leftLength)
          .thenComparingInt(Merge::rightLength);

  private MergeList() {}

  private record Merge(int piece, String left, String right, int leftLength, int rightLength) {}

  static ArrayNode of(List<SentencePieceModel.Piece> pieces) {
    Map<String, Integer> ids = new HashMap<>();
    for (int id = 0; id < pieces.size(); id++) {
      ids.put(pieces.get(id).text(), id);
    }
    List<Merge> merges = new ArrayList<>();
    for (int id = 0; id < pieces.size(); id++) {
      String text = pieces.get(id).text();
      if (ids.getOrDefault(text, -1) == id) { // of equal texts the last one counts
        addSplits(merges, text, id, ids);
      }
    }
    merges.sort(ORDER);
    ArrayNode result = JsonNodeFactory.instance.arrayNode(merges.size());
    merges.forEach(merge -> TokenizerParts.addMerge(result, merge.left(), merge.right()));
    return result;
  }

  private static void addSplits(List<Merge> merges, String text, int id, Map<String, Integer> ids) {
    int length = text.codePointCount(0, text.length());
    int at = 0;
    for (int left = 1; left < length; left++) {
      at = text.offsetByCodePoints(at, 1);
      String first = text.substring(0, at);
      if (ids.containsKey(first)) {
        String second = text.substring(at);
        if (ids.containsKey(second)) {
          merges.add(new Merge(id, first, second, left, length - left));
        }
      }
    }
  }
}
