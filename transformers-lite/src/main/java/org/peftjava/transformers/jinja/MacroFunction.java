package org.peftjava.transformers.jinja;

import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * A macro; its value is what its body writes.
 *
 * @param parameters the names and, for those that have one, the default
 * @param home the scope in which it was defined
 */
record MacroFunction(String name, List<Parameter> parameters, Statement body, Scope home)
    implements Callable {
  /** A parameter; {@code fallback} is evaluated at each call. */
  record Parameter(String name, Expression fallback) {}

  @Override
  public Object call(Arguments arguments) {
    Budget budget = home.budget();
    budget.enter();
    Scope scope = home.inner();
    Set<String> known = new HashSet<>(Set.of("caller"));
    for (int i = 0; i < parameters.size(); i++) {
      Parameter parameter = parameters.get(i);
      known.add(parameter.name());
      Object value = arguments.get(i, parameter.name(), None.class);
      scope.set(
          parameter.name(), value == None.class ? parameter.fallback().evaluate(scope) : value);
    }
    for (Map.Entry<String, Object> named : arguments.named().entrySet()) {
      if (!known.contains(named.getKey())) {
        throw new JinjaException(
            "macro '" + name + "' takes no keyword argument '" + named.getKey() + "'");
      }
    }
    if (arguments.positional().size() > parameters.size()) {
      throw new JinjaException(
          "macro '" + name + "' takes not more than " + parameters.size() + " argument(s)");
    }
    scope.set("caller", arguments.named().getOrDefault("caller", new Undefined("caller")));
    Output out = new Output(budget);
    body.render(scope, out);
    budget.leave();
    return out.toString();
  }

  Object attribute(String attribute) {
    return attribute.equals("name") ? name : Attributes.missing(this, attribute);
  }
}
