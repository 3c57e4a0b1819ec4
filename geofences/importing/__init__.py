"""Drawings of others as features in longitude and latitude: GeoJSON, KML, KMZ and zipped Shapefiles."""
