"""The sections of the golden data; every module has SECTIONS: name -> function(output folder)."""
