package org.peftjava.peft.cli;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.knowm.xchart.BitmapEncoder;
import org.knowm.xchart.XYChart;
import org.knowm.xchart.XYChartBuilder;
import org.knowm.xchart.style.Styler.LegendPosition;
import org.knowm.xchart.style.markers.SeriesMarkers;
import org.peftjava.transformers.checkpoint.AtomicFiles;
import org.slf4j.LoggerFactory;

/** The picture of a run: loss over steps. */
final class LossPlot {
  private static final int WIDTH = 900;
  private static final int HEIGHT = 500;

  private final XYChart chart =
      new XYChartBuilder()
          .width(WIDTH)
          .height(HEIGHT)
          .xAxisTitle("step")
          .yAxisTitle("loss")
          .build();

  private LossPlot() {
    chart.getStyler().setLegendPosition(LegendPosition.InsideNE).setMarkerSize(4);
  }

  /** Writes a PNG. A machine without fonts gets a warning in its place: the numbers are saved. */
  static void write(List<Map<String, Double>> logHistory, Path file) {
    System.setProperty("java.awt.headless", "true");
    try {
      LossPlot plot = new LossPlot();
      plot.series("training", "loss", logHistory);
      plot.series("evaluation", "eval_loss", logHistory);
      ByteArrayOutputStream png = new ByteArrayOutputStream();
      BitmapEncoder.saveBitmap(plot.chart, png, BitmapEncoder.BitmapFormat.PNG);
      AtomicFiles.write(file, png.toByteArray());
    } catch (IOException | RuntimeException | LinkageError | InternalError e) {
      LoggerFactory.getLogger(LossPlot.class).warn("{} was not drawn: {}", file, e.toString());
    }
  }

  private void series(String name, String key, List<Map<String, Double>> lines) {
    List<Map<String, Double>> having =
        lines.stream().filter(line -> line.containsKey(key) && line.containsKey("step")).toList();
    if (!having.isEmpty()) {
      double[] steps = having.stream().mapToDouble(line -> line.get("step")).toArray();
      double[] losses = having.stream().mapToDouble(line -> line.get(key)).toArray();
      chart
          .addSeries(name, steps, losses)
          .setMarker(having.size() > 1 ? SeriesMarkers.NONE : SeriesMarkers.CIRCLE);
    }
  }
}
