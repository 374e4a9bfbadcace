"""Drawings of figures, looked at as a browser would."""

from xml.etree import ElementTree

SVG = "{http://www.w3.org/2000/svg}"


def drawing(content: bytes) -> ElementTree.Element:
    """A drawing that is well formed, holds nothing that runs and asks for nothing."""
    assert b"<!" not in content, "no document type, so no entities"
    root = ElementTree.fromstring(content)
    assert root.tag == f"{SVG}svg"
    for each in root.iter():
        assert each.tag not in (f"{SVG}script", f"{SVG}foreignObject", f"{SVG}image", f"{SVG}a")
        assert not any(name.startswith("on") or "href" in name for name in each.attrib)
        assert not any("nan" in value or "inf" in value for value in each.attrib.values())
    assert root.attrib["role"] == "img"
    title, desc = root.findtext(f"{SVG}title"), root.findtext(f"{SVG}desc")
    assert title
    assert desc
    return root
